"""Hadoop's configuration, and the nameservices that it has."""

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import hadoop


def site(**given):
    properties = "".join(
        f"<property>\n <name> {name.replace('__', '.')} </name><value>{value}</value><final>true</final></property>"
        for name, value in given.items()
    )
    return f'<?xml version="1.0"?>\n<!-- by hand -->\n<configuration>{properties}</configuration>\n'


def test_properties_are_read_and_a_text_that_is_none_has_none():
    assert hadoop.properties("\n" + site(a__b="1", c="")) == {"a.b": "1", "c": ""}
    assert [hadoop.properties(text) for text in ("", "dfs.nameservices=ns1", "<configuration>")] == [{}] * 3


@pytest.mark.parametrize(
    ("uri", "core", "hdfs", "refused"),
    [
        ("hdfs://ns2/flink", "", site(dfs__nameservices="ns1"), True),
        ("hdfs://ns2/flink", site(dfs__nameservices="ns2"), site(dfs__nameservices="ns1"), True),
        ("hdfs://ns2/flink", "", site(dfs__nameservices=" ns1,\n ns2"), False),
        # A NameNode's own name, the default of core-site.xml, and other file systems.
        ("hdfs://nn1:8020/flink", "", site(dfs__nameservices="ns1"), False),
        ("hdfs://nn1.example.com/flink", "", site(dfs__nameservices="ns1"), False),
        ("hdfs:///flink", "", site(dfs__nameservices="ns1"), False),
        ("s3://ns2/flink", "", site(dfs__nameservices="ns1"), False),
        # Nothing that is known for certain.
        ("hdfs://ns2/flink", "", "", False),
        ("hdfs://ns2/flink", "", site(dfs__nameservices="${name}"), False),
    ],
)
def test_trap_71_a_nameservice_that_the_configuration_does_not_have_is_refused(uri, core, hdfs, refused):
    told = hadoop.nameservice_problems("h1", "/etc/hadoop", {"flink_ha_storage_dir": uri}, [core, hdfs])
    assert bool(told) == refused
    if refused:
        assert told[0].startswith(
            f"h1: flink_ha_storage_dir is {uri}, and /etc/hadoop of flink_ha_hadoop_conf_dir has no nameservice ns2: it has ns1."
        )
