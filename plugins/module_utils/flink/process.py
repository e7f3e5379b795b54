"""What Flink's processes get from the operator besides their configuration: environment, writable paths. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from posixpath import normpath
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.storage import PRIVATE_PATHS

VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
#: Variables that the start script or systemd sets -> what to do instead. Flink's scripts take those of its options as they are, and
#: do not read the configuration then.
OWNED = {
    "FLINK_CONF_DIR": "The start script sets it to the generation.",
    "FLINK_LOG_DIR": "Set flink_ha_log_dir instead.",
    "FLINK_IDENT_STRING": "The start script sets it to the service.",
    "FLINK_PID_DIR": "The start script sets it.",
    "FLINK_HOME": "It follows flink_ha_version.",
    "FLINK_BIN_DIR": "It follows flink_ha_version.",
    "FLINK_LIB_DIR": "It follows flink_ha_version.",
    "FLINK_OPT_DIR": "It follows flink_ha_version.",
    "JAVA_HOME": "Set flink_ha_java_home instead.",
    "JVM_ARGS": "Set flink_ha_java_opts instead.",
    "RUNTIME_DIRECTORY": "systemd sets it.",
    "NOTIFY_SOCKET": "systemd sets it.",
}
OWNED_PREFIX = "FLINK_ENV_JAVA_OPTS"
#: The shells that start Flink take these for themselves.
SHELL = frozenset(("BASHOPTS", "BASH_ENV", "CDPATH", "ENV", "IFS", "OLDPWD", "PS4", "PWD", "SHELLOPTS"))
#: Neither these directories nor what is in them may be opened to the service's user...
SYSTEM_PATHS = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
)
#: ...and of these not the whole.
SHARED_PATHS = ("/", "/media", "/mnt", "/opt", "/srv", "/var", "/var/cache", "/var/lib", "/var/log", "/var/spool")
#: systemd splits the list at spaces and expands `%`.
PATH = re.compile(r"^/[A-Za-z0-9_./:@,+-]*$")
#: Of the services' own directories: nothing that systemd or Flink would split, expand or take for a quotation mark.
OWN_PATH = re.compile(r"^/[^\s,:|%\"'\\]+$")


#: What Flink 1.13 to 2.3 makes in io.tmp.dirs (FileChannelManagerImpl, FileCache, BlobUtils, the stores of finished jobs, JaasModule,
#: RocksDB's and Python's workers, the loaders of RPC and planner), as patterns of find.
LEFTOVERS = (
    "flink-io-*",
    "flink-netty-shuffle-*",
    "flink-dist-cache-*",
    "flink-rpc-akka*.jar",
    "flink-table-planner*.jar",
    "archivedApplicationStore-*",
    "blobStore-*",
    "executionGraphStore-*",
    "jaas-*.conf",
    "job_*_op_*",
    "localState",
    "python-dist-*",
    "rocksdb-lib-*",
)
#: Working directories since 1.15, by the option that gives a process the same one again, for its local recovery.
WORKING = {"jobmanager.resource-id": "jm_*", "taskmanager.resource-id": "tm_*"}


def leftovers(extra: Mapping[str, Any]) -> list[str]:
    """Names, as patterns of find, that a process which was killed leaves in its temporary directories, and no later one uses.

    Args:
        extra: flink_ha_config_extra.
    """
    return [*LEFTOVERS, *(names for option, names in WORKING.items() if option not in extra)]


def environment_text(environment: Mapping[str, Any]) -> str:
    """Shell text that exports the variables; the start script reads it.

    Args:
        environment: flink_ha_environment, for which `environment_problems` has nothing to say.
    """
    lines = [f"export {name}={shlex.quote(_plain(environment[name]))}\n" for name in sorted(environment)]
    return "".join(["# Written by StreamQuorum from flink_ha_environment.\n", *lines])


def environment_problems(environment: Mapping[str, Any]) -> list[str]:
    """Why flink_ha_environment is refused; no text has a value, which may be a secret."""
    problems = []
    for name in sorted(environment, key=str):
        told, value = f"flink_ha_environment has {name}", environment[name]
        if not isinstance(name, str) or not VARIABLE.match(name):
            problems.append(f"{told}, which is no name of an environment variable: letters, digits and underscores.")
        elif name in OWNED:
            problems.append(f"{told}. {OWNED[name]}")
        elif name.startswith(OWNED_PREFIX):
            problems.append(f"{told}. Set flink_ha_java_opts, or env.java.opts.* in flink_ha_config_extra, instead.")
        elif name in SHELL:
            problems.append(f"{told}, which the shell that starts Flink takes for itself. Remove it.")
        elif not isinstance(value, str | int | float):
            problems.append(f"{told}, whose value is no text, number or boolean. Write it as a text.")
        elif "\0" in _plain(value):
            problems.append(f"{told}, whose value has a NUL character. Remove that.")
    return problems


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def path_problems(paths: Iterable[str], closed: Mapping[str, str]) -> list[str]:
    """Why flink_ha_read_write_paths is refused by what stands there.

    Args:
        paths: flink_ha_read_write_paths.
        closed: directories that stay root's -> the variable that names each.
    """
    problems = []
    for path in paths:
        told = f"flink_ha_read_write_paths has {path!r}"
        if not PATH.match(path) or path.startswith("//") or normpath(path) != path:
            problems.append(
                f"{told}. Write an absolute path without a slash at its end, without .. and of letters, digits and ._:@,+- only."
            )
        elif found := next((root for root in PRIVATE_PATHS if _within(path, root)), ""):
            problems.append(f"{told}, and of {found} the services see nothing or their own. Choose another directory.")
        elif path in SHARED_PATHS or any(_within(path, root) for root in SYSTEM_PATHS):
            problems.append(f"{told}, which is the system's. Name a directory that is Flink's alone.")
        else:
            problems += [
                f"{told}, and {variable} ({root}) is root's: whoever writes there changes what is started. Name another directory."
                for root, variable in closed.items()
                if _within(path, root) or _within(root, path)
            ]
    return problems


def own_path_problems(home_dir: str, tmp_dirs: Iterable[str]) -> list[str]:
    """Refuses directories of the services that systemd or Flink would read as several, or as another one.

    Args:
        home_dir: flink_ha_home_dir.
        tmp_dirs: flink_ha_tmp_dirs; Flink parts the list at commas, colons and bars (ConfigurationUtils.splitPaths).
    """
    given = [("flink_ha_home_dir", home_dir), *(("flink_ha_tmp_dirs", path) for path in tmp_dirs)]
    return [
        f"{variable} has {path!r}. Write an absolute path without spaces, commas, colons, bars, percent signs, quotation marks and backslashes."
        for variable, path in given
        if not OWN_PATH.match(path)
    ]


def missing_problems(host: str, paths: Iterable[str], state: Mapping[str, Any], user: Mapping[str, Any]) -> list[str]:
    """Refuses a path to be opened that is no directory on the host: the units would not start.

    It is never made here: a missing one is more often a mount that did not come than a directory that is wanted on the disk below.

    Args:
        host: its name.
        paths: flink_ha_read_write_paths.
        state: what `host_state` returned, with these paths.
        user: uid and gid of the services.
    """
    problems = []
    for path in paths:
        kind = state["paths"][path]["type"]
        if not kind:
            problems.append(
                f"{host}: {path} of flink_ha_read_write_paths is not there, and the services would not start. Mount it, or make it: "
                f"install -d -o {user['uid']} -g {user['gid']} -m 0750 {path}"
            )
        elif kind != "directory":
            such_as = f", such as {state['paths'][path]['target']}" if kind == "link" else ""
            problems.append(f"{host}: {path} of flink_ha_read_write_paths is a {kind}. Name a directory{such_as}.")
    return problems


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
