"""Where a member's server comes from: upstream's archive, the distribution's package, or Flink's archive. Pure.

It is the same server. What differs stands here.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import bundled
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import (
    ARCHIVE,
    FLINK,
    PACKAGE,
    Inputs,
    Tables,
)

#: Where the distribution's package has its jars.
JARS = "/usr/share/java"


@dataclass(frozen=True)
class Installation:
    """A server that is installed in one of the ways."""

    #: For people.
    what: str
    #: Logging library: a key of `LOGGING` in generation.py.
    logging: str
    #: Java majors that it runs on: {min, max}.
    java: Mapping[str, int]
    #: Of its start script, which knows $generation.
    classpath: str
    #: What stands before the names of its classes.
    shaded: str
    #: MB that it needs, unpacked.
    needed_mb: int


def installation(inputs: Inputs, tables: Tables, host: HostState) -> Installation:
    """The server that a member is to run.

    Raises:
        StopIteration: the tables have none such; the inventory was refused before.
    """
    return METHODS[inputs.install_method](inputs, tables, host)


def shell(inputs: Inputs, release: str) -> str:
    """Words of a shell that start the release's own ZooKeeper shell; $JAVA_HOME and $CLIENT_JVMFLAGS are set.

    Args:
        inputs: of the member.
        release: directory, or a link to it.
    """
    if inputs.install_method != FLINK:
        return shlex.quote(f"{release}/bin/zkCli.sh")
    classpath = shlex.quote(f"{release}/lib/*")
    return f'"$JAVA_HOME/bin/java" $CLIENT_JVMFLAGS -cp {classpath} {bundled.SHADED}org.apache.zookeeper.ZooKeeperMain'


def _upstream(inputs: Inputs, tables: Tables, _host: HostState) -> Installation:
    row = next(each for each in tables.releases if each["version"] == inputs.version)
    return Installation(
        f"ZooKeeper {inputs.version}", row["logging"], row["java"], "$generation/release/lib/*", "", 100
    )


def _package(inputs: Inputs, tables: Tables, host: HostState) -> Installation:
    # It logs in another way than upstream's, and brings no directory of jars.
    upstream, package = _upstream(inputs, tables, host), tables.packages.get(host.platform)
    if not package:
        return upstream  # such a platform is refused
    classpath = ":".join(f"{JARS}/{jar}.jar" for jar in package["jars"])
    return replace(upstream, logging=package["logging"], classpath=classpath)


def _flink(inputs: Inputs, tables: Tables, _host: HostState) -> Installation:
    row = next(each for each in tables.flink_releases if each["version"] == inputs.flink_version)
    what = f"Flink {inputs.flink_version}"
    return Installation(what, "log4j2", row["java"], "$generation/release/lib/*", bundled.SHADED, 1000)


METHODS = {ARCHIVE: _upstream, PACKAGE: _package, FLINK: _flink}
