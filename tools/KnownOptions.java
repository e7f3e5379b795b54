import java.io.File;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.Collections;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/**
 * Prints the options that a release of Flink reads from its configuration: a key or an older name of it on each line; then the release of
 * the ZooKeeper server in its archive. Its argument is the directory lib/ of the release.
 */
public class KnownOptions {
    public static void main(String[] args) throws Exception {
        File[] jars = new File(args[0]).listFiles((directory, name) -> name.endsWith(".jar"));
        URL[] urls = new URL[jars.length];
        for (int i = 0; i < jars.length; i++) {
            urls[i] = jars[i].toURI().toURL();
        }
        ClassLoader loader = new URLClassLoader(urls);
        Class<?> option = loader.loadClass("org.apache.flink.configuration.ConfigOption");
        TreeSet<String> keys = new TreeSet<>();
        for (File jar : jars) {
            try (JarFile file = new JarFile(jar)) {
                for (JarEntry entry : Collections.list(file.entries())) {
                    String name = entry.getName().replace('/', '.').replaceAll("\\.class$", "");
                    if (name.matches("org\\.apache\\.flink\\.(?!.*shaded).*(Options|Options\\$.*|OptionsInternal|ConfigConstants|Configuration|Config)")) {
                        collect(Class.forName(name, true, loader), option, keys);
                    }
                }
            }
        }
        keys.forEach(System.out::println);
        Class<?> server = loader.loadClass("org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.version.Info");
        System.out.printf("server=%s.%s.%s%n", number(server, "MAJOR"), number(server, "MINOR"), number(server, "MICRO"));
    }

    private static Object number(Class<?> type, String name) throws Exception {
        return type.getField(name).get(null);
    }

    private static void collect(Class<?> type, Class<?> option, TreeSet<String> keys) throws Exception {
        for (Field field : type.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers())) {
                continue;
            }
            field.setAccessible(true);
            Object value = field.get(null);
            if (option.isInstance(value)) {
                keys.add((String) option.getMethod("key").invoke(value));
                for (Object older : (Iterable<?>) option.getMethod("fallbackKeys").invoke(value)) {
                    keys.add((String) older.getClass().getMethod("getKey").invoke(older));
                }
            } else if (value instanceof String && type.getSimpleName().equals("ConfigConstants")) {
                // Options of before there were ConfigOptions; what is no key has no dot, or a capital first.
                keys.add((String) value);
            }
        }
    }
}
