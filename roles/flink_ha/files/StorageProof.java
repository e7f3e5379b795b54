import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.UUID;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.configuration.HighAvailabilityOptions;
import org.apache.flink.core.fs.FSDataOutputStream;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;
import org.apache.flink.core.plugin.PluginUtils;
import org.apache.flink.runtime.security.SecurityConfiguration;
import org.apache.flink.runtime.security.SecurityUtils;

/**
 * Proves storage as Flink itself reaches it: its configuration, plugins, classes of Hadoop and Kerberos, as the user of its processes.
 *
 * <pre>
 * write NAME URI...       a file with this name in each directory, read back; tells what was written
 * read NAME TEXT URI...   the file is there, with this text
 * remove NAME URI...      it is gone
 * find NAME               whether there is a file of the cluster in its storage, whose name does not begin so; tells the directory that
 *                         Flink has for the cluster, and the file
 * keep NAME FILE URI      what the local file holds, as a file with this name in the directory, read back; one that is there is not written to
 * kept NAME URI           applications of YARN that have a directory here with a file whose name begins so; tells when the last of them was
 *                         written, in ms, and the application
 * uploads ID...           of these applications of YARN, the directories that Flink has uploaded them to and that are still there
 * unload ID...            these directories are gone with all that is in them
 * purge NAME URI...       directories of applications of YARN, which have such a file or are not there, are gone with all that is in them
 * </pre>
 *
 * Uses only what every release from 1.13 to 2.3 has. What is told are lines with a mark, since others print too. Exit code 1, and the reason
 * on standard error, where it is not as it should be.
 */
public class StorageProof {
    private static final String MARK = "streamquorum-proof: ";
    /** Its id is no other cluster's ever again; what else there is may be anybody's. */
    private static final Pattern APPLICATION = Pattern.compile("application_[0-9]+_[0-9]+");

    public static void main(String[] arguments) {
        int code;
        try {
            Configuration configuration = GlobalConfiguration.loadConfiguration();
            FileSystem.initialize(configuration, PluginUtils.createPluginManagerFromRootFolder(configuration));
            SecurityUtils.install(new SecurityConfiguration(configuration));
            code = SecurityUtils.getInstalledContext().runSecured(() -> run(configuration, arguments));
        } catch (Exception | LinkageError problem) {
            code = refuse("", problem);
        }
        System.exit(code);
    }

    private static int run(Configuration configuration, String[] arguments) {
        String verb = arguments[0];
        if (verb.equals("find")) {
            // As HighAvailabilityServicesUtils.getClusterHighAvailableStoragePath has it.
            String storage = configuration.get(HighAvailabilityOptions.HA_STORAGE_PATH);
            Path folder = new Path(storage, configuration.get(HighAvailabilityOptions.HA_CLUSTER_ID));
            try {
                System.out.println(MARK + folder);
                String found = find(folder.getFileSystem(), folder, arguments[1]);
                System.out.println(MARK + (found == null ? "" : found));
                return 0;
            } catch (Exception | LinkageError problem) {
                return refuse(folder + ": ", problem);
            }
        }
        if (verb.equals("uploads") || verb.equals("unload")) {
            return uploads(configuration, verb, arguments);
        }
        if (verb.equals("keep") || verb.equals("kept") || verb.equals("purge")) {
            return left(verb, arguments);
        }
        String text = verb.equals("read") ? arguments[2] : UUID.randomUUID().toString();
        for (int each = verb.equals("read") ? 3 : 2; each < arguments.length; each++) {
            Path file = new Path(arguments[each], arguments[1]);
            try {
                FileSystem system = file.getFileSystem();
                if (verb.equals("remove")) {
                    system.delete(file, false);
                    continue;
                }
                if (verb.equals("write")) {
                    system.mkdirs(file.getParent());
                    write(system, file, text);
                }
                String found = read(system, file);
                if (!text.equals(found)) {
                    System.err.println(MARK + file + " holds something else than what was written there");
                    return 1;
                }
            } catch (Exception | LinkageError problem) {
                return refuse(file + ": ", problem);
            }
        }
        if (verb.equals("write")) {
            System.out.println(MARK + text);
        }
        return 0;
    }

    /** What a cluster that is no more has left. */
    private static int left(String verb, String[] arguments) {
        String name = arguments[1];
        for (int each = verb.equals("keep") ? 3 : 2; each < arguments.length; each++) {
            Path folder = new Path(arguments[each]);
            Path file = new Path(folder, name);
            try {
                FileSystem system = folder.getFileSystem();
                if (verb.equals("kept")) {
                    for (FileStatus entry : entries(system, folder)) {
                        long written = entry.isDir() && isApplication(entry.getPath()) ? written(system, entry.getPath(), name) : 0;
                        if (written > 0) {
                            System.out.println(MARK + written + " " + entry.getPath().getName());
                        }
                    }
                } else if (verb.equals("keep")) {
                    byte[] content = Files.readAllBytes(Paths.get(arguments[2]));
                    system.mkdirs(folder);
                    try (FSDataOutputStream out = system.create(file, FileSystem.WriteMode.NO_OVERWRITE)) {
                        out.write(content);
                    }
                    if (!Arrays.equals(content, bytes(system, file))) {
                        System.err.println(MARK + file + " holds something else than what was written there");
                        return 1;
                    }
                } else if (!isApplication(folder) || (system.exists(folder) && written(system, folder, name) == 0)) {
                    System.err.println(MARK + folder + " is no application's, or has no " + name + "*, so it is left alone");
                    return 1;
                } else if (system.exists(folder) && !system.delete(folder, true) && system.exists(folder)) {
                    System.err.println(MARK + folder + " is still there");
                    return 1;
                }
            } catch (Exception | LinkageError problem) {
                return refuse(folder + ": ", problem);
            }
        }
        return 0;
    }

    private static int uploads(Configuration configuration, String verb, String[] arguments) {
        Path folder = null;
        try {
            Path staging = staging(configuration);
            FileSystem system = staging.getFileSystem();
            for (String id : Arrays.copyOfRange(arguments, 1, arguments.length)) {
                folder = new Path(staging, id);
                if (!isApplication(folder)) {
                    System.err.println(MARK + id + " is no application of YARN");
                    return 1;
                }
                boolean exists = system.exists(folder);
                if (exists && verb.equals("uploads")) {
                    System.out.println(MARK + folder);
                } else if (exists && !system.delete(folder, true) && system.exists(folder)) {
                    System.err.println(MARK + folder + " is still there");
                    return 1;
                }
            }
            return 0;
        } catch (Exception | LinkageError problem) {
            return refuse((folder == null ? "the directory of the uploads" : folder) + ": ", problem);
        }
    }

    /**
     * As YarnClusterDescriptor.getStagingDir and YarnApplicationFileUploader have it: on the file system that is Hadoop's own default. Its
     * classes are there where this is asked for, and not where it is compiled.
     */
    private static Path staging(Configuration configuration) throws Exception {
        Class<?> hadoop = Class.forName("org.apache.hadoop.conf.Configuration");
        Class<?> files = Class.forName("org.apache.hadoop.fs.FileSystem");
        Class<?> path = Class.forName("org.apache.hadoop.fs.Path");
        Object system = files.getMethod("get", hadoop).invoke(null, hadoop.getConstructor().newInstance());
        String given = configuration.toMap().get("yarn.staging-directory");
        Object parent =
                given == null
                        ? files.getMethod("getHomeDirectory").invoke(system)
                        : files.getMethod("makeQualified", path).invoke(system, path.getConstructor(String.class).newInstance(given));
        return new Path(parent.toString(), ".flink");
    }

    private static boolean isApplication(Path folder) {
        return APPLICATION.matcher(folder.getName()).matches();
    }

    /** When the last file of the directory was written whose name begins so; 0 for none. */
    private static long written(FileSystem system, Path folder, String name) throws Exception {
        long last = 0;
        for (FileStatus entry : entries(system, folder)) {
            if (!entry.isDir() && entry.getPath().getName().startsWith(name)) {
                last = Math.max(last, entry.getModificationTime());
            }
        }
        return last;
    }

    private static FileStatus[] entries(FileSystem system, Path folder) throws Exception {
        try {
            FileStatus[] found = system.listStatus(folder);
            return found == null ? new FileStatus[0] : found;
        } catch (FileNotFoundException absent) {
            return new FileStatus[0];
        }
    }

    private static byte[] bytes(FileSystem system, Path file) throws Exception {
        ByteArrayOutputStream found = new ByteArrayOutputStream();
        byte[] buffer = new byte[8192];
        try (InputStream in = system.open(file)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                found.write(buffer, 0, count);
            }
        }
        return found.toByteArray();
    }

    /** The whole chain: what a file system says itself is often the last. */
    private static int refuse(String what, Throwable problem) {
        StringBuilder told = new StringBuilder(MARK + what);
        for (Throwable cause = problem; cause != null; cause = cause.getCause()) {
            told.append(cause == problem ? "" : "; caused by ").append(cause.toString().replace('\n', ' '));
        }
        System.err.println(told);
        return 1;
    }

    /** Goes down until a file is found, so it is asked of a large directory too. */
    private static String find(FileSystem system, Path folder, String ignored) throws Exception {
        for (FileStatus entry : entries(system, folder)) {
            if (!entry.isDir() && !entry.getPath().getName().startsWith(ignored)) {
                return entry.getPath().toString();
            }
            String found = entry.isDir() ? find(system, entry.getPath(), ignored) : null;
            if (found != null) {
                return found;
            }
        }
        return null;
    }

    private static void write(FileSystem system, Path file, String text) throws Exception {
        try (FSDataOutputStream out = system.create(file, FileSystem.WriteMode.OVERWRITE)) {
            out.write((text + "\n").getBytes(StandardCharsets.UTF_8));
        }
    }

    private static String read(FileSystem system, Path file) throws Exception {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(system.open(file), StandardCharsets.UTF_8))) {
            return in.readLine();
        }
    }
}
