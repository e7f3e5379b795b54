"""The nameservices of HDFS that Hadoop's configuration has, and those that URIs have."""

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import hadoop


def named(text):
    return {hadoop.NAMESERVICES: text} if text else {}


@pytest.mark.parametrize(
    ("uri", "core", "hdfs", "refused"),
    [
        ("hdfs://ns2/flink", "", "ns1", True),
        ("hdfs://ns2/flink", "ns2", "ns1", True),
        ("hdfs://ns2/flink", "", "ns1,\n ns2", False),
        # A NameNode's own name, the default of core-site.xml, and other file systems.
        ("hdfs://nn1:8020/flink", "", "ns1", False),
        ("hdfs://nn1.example.com/flink", "", "ns1", False),
        ("hdfs://nn1/flink", "", "ns1", False),
        ("hdfs:///flink", "", "ns1", False),
        ("s3://ns2/flink", "", "ns1", False),
        # Nothing that is known for certain.
        ("hdfs://ns2/flink", "", "", False),
        ("hdfs://ns2/flink", "", "${name}", False),
    ],
)
def test_trap_71_a_nameservice_that_the_configuration_does_not_have_is_refused(uri, core, hdfs, refused):
    given, resolved = {"flink_ha_storage_dir": uri}, {"nn1": ["198.18.7.11"], "ns2": []}
    told = hadoop.nameservice_problems("h1", "/etc/hadoop", given, [named(core), named(hdfs)], resolved)
    assert bool(told) == refused
    if refused:
        words = f"h1: flink_ha_storage_dir is {uri}, and /etc/hadoop of flink_ha_hadoop_conf_dir has no nameservice ns2: it has ns1."
        assert told[0].startswith(words)


def test_names_that_are_looked_up():
    uris = ["hdfs://ns2/a", "hdfs://ns2/b", "hdfs://nn1:8020/", "file:///x", "hdfs://ns1"]
    assert hadoop.nameservices(uris) == ["ns1", "ns2"]
