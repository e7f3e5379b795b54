"""Hadoop's own configuration on a host, as far as Flink's part in it is judged. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit
from xml.etree import ElementTree

#: Files of a client's configuration that name the nameservices of HDFS (Configuration.addDefaultResource of HdfsConfiguration).
SITE_FILES = ("core-site.xml", "hdfs-site.xml")


def properties(text: str) -> dict[str, str]:
    """The properties of one of Hadoop's configuration files; none of a text that is no such file.

    What it includes (xi:include) is not read.
    """
    try:
        root = ElementTree.fromstring(text.strip())
    except (ElementTree.ParseError, ValueError):
        return {}
    found = {}
    for each in root.iter("property"):
        name, value = each.findtext("name"), each.findtext("value")
        if name and value is not None:
            found[name.strip()] = value.strip()
    return found


def nameservice_problems(host: str, conf_dir: str, uris: Mapping[str, str], texts: Iterable[str]) -> list[str]:
    """Refuses URIs of HDFS whose nameservice the host's configuration does not have: no process of Flink would find it.

    A name with a port or a dot may be a NameNode's own, which needs no configuration.

    Args:
        host: its name.
        conf_dir: flink_ha_hadoop_conf_dir.
        uris: by input, such as flink_ha_storage_dir.
        texts: of `SITE_FILES` there, in their order; empty for one that is not there.
    """
    found: dict[str, str] = {}
    for text in texts:
        found |= properties(text)
    known = [name for name in re.split(r"[\s,]+", found.get("dfs.nameservices", "")) if name]
    if not known or any("${" in name for name in known):
        return []
    wanted = {variable: _nameservice(uri) for variable, uri in uris.items()}
    return [
        f"{host}: {variable} is {uris[variable]}, and {conf_dir} of flink_ha_hadoop_conf_dir has no nameservice {name}: it has "
        f"{' and '.join(known)}. Write one of these, or give the configuration of the other cluster."
        for variable, name in wanted.items()
        if name and name not in known
    ]


def _nameservice(uri: str) -> str:
    """What can only be a nameservice; empty where a URI has none."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme == "hdfs" and not re.search("[.:]", parts.netloc) else ""
