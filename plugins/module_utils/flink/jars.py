"""Jars beside a release: plugins, libraries, and the classes of Hadoop; what they are for, where they stand, what is refused. Pure.

A file system that is no directory of the host comes to Flink in one of two ways: by a plugin of its own, or by Hadoop's client, which the
start scripts take from HADOOP_CLASSPATH. The release itself is never written to: plugins and libraries stand beside it in a set of their
own, which holds links to all that the release has, and to which FLINK_PLUGINS_DIR and FLINK_LIB_DIR lead (bin/config.sh, Flink 1.13 to
2.3, takes both from the environment).
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.storage import PRIVATE_PATHS
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import (
    ReleaseError,
    controller_path,
    is_url,
    parse_sha512,
    redacted,
)

#: Schemes -> the plugins of which one brings it (docs of Flink 2.3, "File Systems"); or else Hadoop's client does.
PLUGINS = {
    "s3": ("s3-fs-hadoop", "s3-fs-presto"),
    "s3a": ("s3-fs-hadoop",),
    "s3p": ("s3-fs-presto",),
    "gs": ("gs-fs-hadoop",),
    "abfs": ("azure-fs-hadoop",),
    "abfss": ("azure-fs-hadoop",),
    "wasb": ("azure-fs-hadoop",),
    "wasbs": ("azure-fs-hadoop",),
    "oss": ("oss-fs-hadoop",),
}
#: Schemes that only Hadoop's client brings, by itself or with a jar beside it (core-default.xml of Hadoop 3.4, fs.*.impl).
HADOOP = ("hdfs", "viewfs", "webhdfs", "swebhdfs", "o3fs", "ofs", "adl", "cosn", "obs")
#: Schemes with a container before the @, as in abfss://container@account; in any other but Hadoop's own, keys stand there.
CONTAINER_FIRST = ("abfs", "abfss", "wasb", "wasbs")
#: Name of a directory of plugins/.
NAME = re.compile(r"^[a-z0-9][a-z0-9._-]*$")
#: Beginning of the name of the jar with ZooKeeper's client, in releases whose flink-dist does not have it (up to Flink 1.16).
ZOOKEEPER_CLIENT = "flink-shaded-zookeeper-"
#: Says what a set was made of; the last file that is written in it.
MARKER = ".streamquorum-jars"
#: What the inputs set in the environment of the processes, by input.
ENVIRONMENT = {
    "HADOOP_CLASSPATH": "flink_ha_hadoop_classpath",
    "HADOOP_CONF_DIR": "flink_ha_hadoop_conf_dir",
    "FLINK_PLUGINS_DIR": "flink_ha_plugins, flink_ha_libraries, flink_ha_zookeeper_client or flink_ha_yarn_job",
}
#: Hadoop's own classes, as the jars of a classpath name them: the part, and its release, which is one for all of them.
CLASSES = re.compile(
    r"^(hadoop-(?:common|client(?:-api|-runtime)?|hdfs(?:-client)?)|flink-shaded-hadoop-[23](?:-uber)?)-(\d+\.\d+\.\d+).*\.jar$"
)


@dataclass(frozen=True)
class Jar:
    """A jar that an input names."""

    #: File name in the set.
    file: str
    #: URL, or path on the controller; empty for one that the release ships in opt/.
    source: str
    sha512: str
    #: Directory of plugins/; empty for a library.
    plugin: str = ""
    #: Whether it is that of the one job of an application.
    job: bool = False

    @property
    def directory(self) -> str:
        """Where it stands in the set."""
        return "job" if self.job else f"plugins/{self.plugin}" if self.plugin else "lib"


def jars(
    plugins: Sequence[Mapping[str, Any]],
    libraries: Sequence[Mapping[str, Any]],
    zookeeper_client: str,
    job: Mapping[str, Any],
    version: str,
) -> list[Jar]:
    """All jars that the inputs name. What `problems` refuses is taken as it is.

    Args:
        plugins: flink_ha_plugins.
        libraries: flink_ha_libraries.
        zookeeper_client: flink_ha_zookeeper_client.
        job: flink_ha_yarn_job.
        version: flink_ha_version.
    """
    return [
        *(_jar(each, str(each.get("name") or ""), version) for each in plugins),
        *(_jar(each, "", version) for each in libraries),
        *([Jar(f"{ZOOKEEPER_CLIENT}{zookeeper_client}.jar", "", "")] if zookeeper_client else []),
        *([replace(_jar(job, "", version), job=True)] if job else []),
    ]


def _jar(given: Mapping[str, Any], plugin: str, version: str) -> Jar:
    source = str(given.get("jar") or "")
    if not source:
        return Jar(f"flink-{plugin}-{version}.jar", "", "", plugin)
    return Jar(_file_name(source), source, _sum(str(given.get("sha512") or "")), plugin)


def _sum(text: str) -> str:
    try:
        return parse_sha512(text)
    except ReleaseError:
        return text


def _file_name(source: str) -> str:
    return posixpath.basename(urlsplit(source).path if is_url(source) else controller_path(source))


def set_name(wanted: Sequence[Jar], version: str) -> str:
    """Name of the directory that holds a set: another set has another one, so that a change is a change of the generation."""
    # No plugin's name has a slash.
    content = sorted(["/job" if each.job else each.plugin, each.file, each.sha512] for each in wanted)
    if any(is_zookeeper_client(each) for each in wanted):
        # Sets that were made before have both.
        content.append(["", ZOOKEEPER_CLIENT, "in the place of the release's own"])
    digest = hashlib.sha256(json.dumps([version, content]).encode()).hexdigest()[:16]
    return f"flink-{version}-jars-{digest}"


def is_zookeeper_client(jar: Jar) -> bool:
    """Whether a jar stands in the place of the release's own client of ZooKeeper."""
    return jar.directory == "lib" and jar.file.startswith(ZOOKEEPER_CLIENT)


# --- refusals


def problems(
    plugins: Sequence[Mapping[str, Any]],
    libraries: Sequence[Mapping[str, Any]],
    zookeeper_client: str,
    job: Mapping[str, Any],
    hadoop_classpath: str,
    hadoop_conf_dir: str,
    environment: Collection[str],
) -> list[str]:
    """Why the inputs are refused, by the inventory alone.

    Args:
        plugins: flink_ha_plugins.
        libraries: flink_ha_libraries.
        zookeeper_client: flink_ha_zookeeper_client.
        job: flink_ha_yarn_job.
        hadoop_classpath: flink_ha_hadoop_classpath.
        hadoop_conf_dir: flink_ha_hadoop_conf_dir.
        environment: names in flink_ha_environment.
    """
    told = [
        *(problem for each in plugins for problem in _plugin_problems(each)),
        *(problem for each in libraries for problem in _jar_problems("flink_ha_libraries", each, required=True)),
        *(_jar_problems("flink_ha_yarn_job", job, required=True) if job else []),
        *_twice("flink_ha_plugins", [str(each.get("name", "")) for each in plugins]),
        *_twice("flink_ha_libraries", [_file_name(str(each.get("jar") or "")) for each in libraries]),
        *_path_problems("flink_ha_hadoop_classpath", classpath(hadoop_classpath)),
        *_path_problems("flink_ha_hadoop_conf_dir", [hadoop_conf_dir] if hadoop_conf_dir else []),
    ]
    given = {
        "HADOOP_CLASSPATH": hadoop_classpath,
        "HADOOP_CONF_DIR": hadoop_conf_dir,
        "FLINK_PLUGINS_DIR": plugins or libraries or zookeeper_client or job,
    }
    told += [
        f"flink_ha_environment has {name}, and {variable} sets it too. Keep one of the two."
        for name, variable in ENVIRONMENT.items()
        if name in environment and given[name]
    ]
    return told


def _plugin_problems(given: Mapping[str, Any]) -> list[str]:
    name = str(given.get("name") or "")
    if not NAME.match(name):
        return [
            f"flink_ha_plugins has the name {name!r}. It names a directory, and the jar that a release ships: small letters, digits, "
            "'.', '_' and '-', such as s3-fs-hadoop."
        ]
    return _jar_problems(f"flink_ha_plugins: {name}", given, required=False)


def _jar_problems(told: str, given: Mapping[str, Any], *, required: bool) -> list[str]:
    source, sha512 = str(given.get("jar") or ""), str(given.get("sha512") or "")
    if not source:
        # Without a jar, a plugin is the one that the release ships.
        missing = required or bool(sha512)
        return [f"{told}: an entry has no jar. Name a URL, or a file on the controller."] if missing else []
    shown = redacted(source)
    if shown != source:
        return [f"{told}: {shown} holds a password, which would stand in logs. Put the jar on the controller."]
    if not _file_name(source).endswith(".jar"):
        return [f"{told}: {shown} names no file that ends with .jar. Flink reads no other."]
    if _file_name(source).startswith("flink-dist"):
        return [
            f"{told}: {shown} is Flink itself, which the release has. Set flink_ha_version or flink_ha_archive_url."
        ]
    if not sha512:
        return [f"{told}: {shown} has no sha512, and nothing is installed without one. Give the publisher's sum."]
    try:
        parse_sha512(sha512)
    except ReleaseError as error:
        return [f"{told}: {shown}: {error}"]
    return []


def _twice(variable: str, names: Sequence[str]) -> list[str]:
    return [
        f"{variable} has {name} twice. Remove one of them."
        for name in sorted({n for n in names if names.count(n) > 1 and n})
    ]


def client_problems(
    zookeeper_client: str, libraries: Sequence[Mapping[str, Any]], version: str, clients: Sequence[str]
) -> list[str]:
    """Refuses a choice of ZooKeeper's client where there is none.

    Args:
        zookeeper_client: flink_ha_zookeeper_client.
        libraries: flink_ha_libraries.
        version: flink_ha_version.
        clients: of that release, the one in lib/ and the one in opt/; empty where it has one.
    """
    own = [name for each in libraries if (name := _file_name(str(each.get("jar") or ""))).startswith(ZOOKEEPER_CLIENT)]
    if not clients:
        told = [f"flink_ha_zookeeper_client is {zookeeper_client}"] if zookeeper_client else []
        told += [f"flink_ha_libraries has {name}" for name in own]
        return [
            f"{each}, and Flink {version} has one client of ZooKeeper, within flink-dist. Take it out." for each in told
        ]
    if zookeeper_client and own:
        return [
            f"flink_ha_zookeeper_client and flink_ha_libraries ({own[0]}) both choose ZooKeeper's client. Keep one of the two."
        ]
    if len(own) > 1:
        return [f"flink_ha_libraries has {' and '.join(own)}, of which one would count, by chance. Keep one of them."]
    if zookeeper_client not in ("", clients[1]):
        return [
            f"flink_ha_zookeeper_client is {zookeeper_client}, and Flink {version} has {clients[0]} in lib/, which an empty one leaves there, "
            f"and {clients[1]} in opt/."
        ]
    return []


def zookeeper_client(chosen: str, libraries: Sequence[Mapping[str, Any]], clients: Sequence[str]) -> str:
    """The release of ZooKeeper's client that Flink runs with; empty where nobody says, which is 3.7 or newer.

    Args:
        chosen: flink_ha_zookeeper_client.
        libraries: flink_ha_libraries.
        clients: as `client_problems` takes them.
    """
    names = [_file_name(str(each.get("jar") or "")) for each in libraries]
    # flink-shaded-zookeeper-3-3.5.9-14.0.jar of Maven Central, flink-shaded-zookeeper-3.5.9.jar of an archive.
    own = [found[1] for name in names if (found := re.match(rf"{ZOOKEEPER_CLIENT}(?:3-)?(\d+\.\d+\.\d+)", name))]
    return next((each for each in (chosen, *own, *clients[:1]) if each), "")


def classpath(text: str) -> list[str]:
    """Parts of a classpath."""
    return [part for part in text.split(":") if part]


def directory(part: str) -> str:
    """What of a part of a classpath has to be there: the directory of `DIR/*`, or the directory or file itself."""
    return part.removesuffix("/*") or "/"


def _path_problems(variable: str, parts: Sequence[str]) -> list[str]:
    told = []
    for part in parts:
        path = directory(part)
        private = [root for root in PRIVATE_PATHS if path == root or path.startswith(root + "/")]
        if not path.startswith("/") or "*" in path or ".." in path.split("/"):
            told.append(
                f"{variable} has {part}. Name absolute paths of the hosts: a directory, a jar, or DIR/* for all jars in it."
            )
        elif private:
            told.append(f"{variable} has {part}, which lies in {private[0]}, of which the services see nothing.")
    return told


def storage_problems(
    uris: Mapping[str, str],
    plugins: Sequence[Mapping[str, Any]],
    hadoop_classpath: str,
    environment: Collection[str],
    own_archive: bool,
) -> list[str]:
    """Refuses storage of which Flink has no file system.

    Args:
        uris: by input, such as flink_ha_storage_dir.
        plugins: flink_ha_plugins.
        hadoop_classpath: flink_ha_hadoop_classpath.
        environment: names in flink_ha_environment.
        own_archive: whether the operator gives the archive, in which the jars may be already.
    """
    # HADOOP_HOME brings a configuration only (bin/config.sh).
    has_hadoop = bool(hadoop_classpath) or "HADOOP_CLASSPATH" in environment
    has_own = own_archive or "FLINK_PLUGINS_DIR" in environment
    names = " ".join(f"{each.get('name', '')} {_file_name(str(each.get('jar') or ''))}" for each in plugins)
    told = []
    for variable, uri in uris.items():
        if key_in(uri):
            # Refused by `uri_problems`, which does not show it.
            continue
        scheme = urlsplit(uri).scheme
        if scheme in HADOOP and not has_hadoop and not own_archive:
            told.append(
                f"{variable} is {uri}, and nothing brings Hadoop's client: no process of Flink would start. Set flink_ha_hadoop_classpath "
                "to its jars on the hosts (hadoop-client-api and hadoop-client-runtime are enough), and flink_ha_hadoop_conf_dir."
            )
        elif scheme in PLUGINS and not has_hadoop and not has_own:
            wanted = PLUGINS[scheme]
            if not any(name in names for name in wanted):
                told.append(
                    f"{variable} is {uri}, and nothing brings the scheme {scheme}: no process of Flink would start. Set "
                    f"flink_ha_plugins to [{{name: {wanted[0]}}}], which the release ships."
                )
        elif scheme not in ("", "file", *PLUGINS, *HADOOP) and not any(each.get("jar") for each in plugins):
            told.append(
                f"{variable} has the scheme {scheme!r}, which Flink has no file system for. Known: "
                f"{', '.join(('file', *HADOOP, *PLUGINS))}. For another one, name the jar that brings it in flink_ha_plugins."
            )
    return told


def key_in(uri: str) -> bool:
    """Whether a URI has somebody's keys in it: a password, a user that is one, or a signature. What is no URI may have them."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return True
    is_key = parts.username is not None and parts.scheme not in (*CONTAINER_FIRST, *HADOOP)
    # The slash of a key ends what is read as the host: there is no such port.
    cut_off = re.search(r":[^\]@:]*[^\]@:\d][^\]@:]*$", parts.netloc) is not None
    return is_key or cut_off or parts.password is not None or "sig=" in parts.query


def uri_problems(uris: Mapping[str, str]) -> list[str]:
    """Refuses keys in a URI; no text has them.

    Args:
        uris: by input, such as flink_ha_storage_dir.
    """
    return [
        f"{variable} has keys in it, which would stand in logs and in ZooKeeper. Take them out of the URI, and give them in "
        "flink_ha_storage_credentials (s3.access-key, s3.secret-key), or by the host's own role."
        for variable, uri in uris.items()
        if key_in(uri)
    ]


def key_problems(credentials: Mapping[str, Any], extra: Collection[str]) -> list[str]:
    """Refuses keys that are no files, and options that two inputs have; no text has a value.

    Args:
        credentials: flink_ha_storage_credentials.
        extra: names in flink_ha_config_extra.
    """
    told = [
        f"flink_ha_storage_credentials: {name} is neither a text nor {{content: what a file is to hold}}."
        for name, value in credentials.items()
        if isinstance(value, Mapping) and not _is_file(value)
    ]
    told += [
        f"flink_ha_storage_credentials and flink_ha_config_extra both have {name}. Keep one of the two."
        for name in sorted({*credentials} & {*extra})
    ]
    return told


def _is_file(value: Mapping[str, Any]) -> bool:
    content = value.get("content")
    return set(value) == {"content"} and isinstance(content, str) and bool(content.strip())


def path_problems(
    host: str, hadoop_classpath: str, hadoop_conf_dir: str, paths: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Refuses a host without the classes and the configuration of Hadoop that the inputs name.

    Args:
        host: its name.
        hadoop_classpath: flink_ha_hadoop_classpath.
        hadoop_conf_dir: flink_ha_hadoop_conf_dir.
        paths: what `host_state` says of `directory` of each part, and of the directory of the configuration.
    """
    wanted = {directory(part): "flink_ha_hadoop_classpath" for part in classpath(hadoop_classpath)}
    wanted |= {hadoop_conf_dir: "flink_ha_hadoop_conf_dir"} if hadoop_conf_dir else {}
    return [
        f"{host}: {path} of {variable} is not there. Install Hadoop's client on this host before Flink starts."
        for path, variable in wanted.items()
        if not paths[path]["exists"]
    ]


def class_problems(
    host: str, hadoop_classpath: str, libraries: Sequence[Mapping[str, Any]], found: Mapping[str, Sequence[str]]
) -> list[str]:
    """Refuses two releases of Hadoop's classes in one process.

    Args:
        host: its name.
        hadoop_classpath: flink_ha_hadoop_classpath.
        libraries: flink_ha_libraries, which the processes have beside the classpath.
        found: names of the jars in each directory that match `CLASSES`.
    """
    names = {
        *(name for each in found.values() for name in each),
        *map(posixpath.basename, classpath(hadoop_classpath)),
        *(_file_name(str(each.get("jar") or "")) for each in libraries),
    }
    releases: dict[str, str] = {}
    for name in sorted(names):
        match = CLASSES.match(name)
        if match:
            # flink-shaded-hadoop-2-uber-2.8.3-10.0.jar has Hadoop 2.8.3.
            releases.setdefault(match.group(2), name)
    if len(releases) < 2:
        return []
    return [
        f"{host}: flink_ha_hadoop_classpath and flink_ha_libraries have two releases of Hadoop, {' and '.join(releases.values())}. Which classes "
        "are taken is chance: keep one of them."
    ]
