"""Hadoop's own configuration on a host, as far as Flink's part in it is judged. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

#: Files of a client's configuration that name the nameservices of HDFS (Configuration.addDefaultResource of HdfsConfiguration).
SITE_FILES = ("core-site.xml", "hdfs-site.xml")
#: The property that does.
NAMESERVICES = "dfs.nameservices"


def nameservices(uris: Iterable[str]) -> list[str]:
    """What is a nameservice in URIs of HDFS, or a NameNode by a short name: one with a port or a dot is a NameNode's own."""
    # Others are refused, before anybody looks for them.
    parts = [urlsplit(uri) for uri in uris if "[" not in uri]
    found = [each.netloc for each in parts if each.scheme == "hdfs" and not re.search("[.:]", each.netloc)]
    return sorted({name for name in found if name})


def nameservice_problems(
    host: str,
    conf_dir: str,
    uris: Mapping[str, str],
    properties: Iterable[Mapping[str, str]],
    resolved: Mapping[str, Sequence[str]],
) -> list[str]:
    """Refuses URIs of HDFS whose nameservice the host's configuration does not have: no process of Flink would find it.

    Args:
        host: its name.
        conf_dir: flink_ha_hadoop_conf_dir.
        uris: by input, such as flink_ha_storage_dir.
        properties: of `SITE_FILES` there, in their order.
        resolved: addresses of `nameservices`; a name that has some is a host's.
    """
    named = [found[NAMESERVICES] for found in properties if NAMESERVICES in found]
    known = [name for name in re.split(r"[\s,]+", named[-1] if named else "") if name]
    if not known or any("${" in name for name in known):
        return []
    return [
        f"{host}: {variable} is {uri}, and {conf_dir} of flink_ha_hadoop_conf_dir has no nameservice {name}: it has "
        f"{' and '.join(known)}. Write one of these, or give the configuration of the other cluster."
        for variable, uri in uris.items()
        for name in nameservices([uri])
        if name not in known and not resolved.get(name)
    ]
