"""Jars beside a release, as inputs name them."""

from __future__ import annotations

import hashlib
import json

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import jars

SUM = "ab" * 64
SHIPPED = {"name": "s3-fs-hadoop"}
OWN = {"name": "s3", "jar": "https://repo.example/flink-s3-fs-hadoop-2.3.0.jar", "sha512": SUM}
LIBRARY = {"jar": "/srv/jars/connector-1.2.jar", "sha512": SUM.upper()}


def problems(plugins=(), libraries=(), client="", job=(), classpath="", conf_dir="", environment=()):
    return jars.problems(plugins, libraries, client, dict(job), classpath, conf_dir, environment)


def test_what_inputs_name():
    assert jars.jars([SHIPPED, OWN], [LIBRARY], "", {}, "2.3.0") == [
        jars.Jar("flink-s3-fs-hadoop-2.3.0.jar", "", "", "s3-fs-hadoop"),
        jars.Jar("flink-s3-fs-hadoop-2.3.0.jar", OWN["jar"], SUM, "s3"),
        jars.Jar("connector-1.2.jar", LIBRARY["jar"], SUM),
    ]


def test_a_set_has_one_name_however_it_is_written_down():
    both = jars.jars([SHIPPED], [LIBRARY], "", {}, "2.3.0")
    name = jars.set_name(both, "2.3.0")
    assert name.startswith("flink-2.3.0-jars-")
    assert jars.set_name(both[::-1], "2.3.0") == name
    moved = jars.jars([SHIPPED], [{**LIBRARY, "jar": "https://repo.example/connector-1.2.jar"}], "", {}, "2.3.0")
    assert jars.set_name(moved, "2.3.0") == name, "the same jar, from elsewhere"
    other = jars.jars([SHIPPED], [{**LIBRARY, "sha512": "cd" * 64}], "", {}, "2.3.0")
    assert len({name, jars.set_name(other, "2.3.0"), jars.set_name(both, "2.2.1")}) == 3


def test_the_jar_of_a_job_is_on_no_classpath_and_is_another_set():
    job, as_library = (jars.jars([], *given, "2.3.0") for given in (([], "", LIBRARY), ([LIBRARY], "", {})))
    assert [each.directory for each in [*job, *as_library]] == ["job", "lib"]
    as_plugin = jars.jars([{**LIBRARY, "name": "job"}], [], "", {}, "2.3.0")
    assert len({jars.set_name(each, "2.3.0") for each in (job, as_library, as_plugin)}) == 3


def test_good_inputs_are_not_refused():
    assert (
        problems(
            [SHIPPED, OWN],
            [LIBRARY],
            "3.5.9",
            LIBRARY,
            "/opt/hadoop/*:/opt/one.jar:/etc/hadoop",
            "/etc/hadoop",
            ["AWS_REGION"],
        )
        == []
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"plugins": [{"name": "../lib"}]}, "has the name '../lib'"),
        ({"plugins": [{"jar": "/x.jar", "sha512": SUM}]}, "has the name ''"),
        ({"plugins": [SHIPPED, SHIPPED]}, "has s3-fs-hadoop twice"),
        ({"plugins": [{"name": "a", "sha512": SUM}]}, "flink_ha_plugins: a: an entry has no jar"),
        ({"plugins": [{"name": "a", "jar": "/a.jar"}]}, "flink_ha_plugins: a: /a.jar has no sha512"),
        ({"plugins": [{"name": "a", "jar": "/a.jar", "sha512": "12"}]}, "flink_ha_plugins: a: /a.jar: "),
        ({"plugins": [{"name": "a", "jar": "/a.zip", "sha512": SUM}]}, "names no file that ends with .jar"),
        ({"plugins": [{"name": "a", "jar": "https://u:canary@h/a.jar", "sha512": SUM}]}, "https://***@h/a.jar holds a password"),
        ({"job": {"jar": "/a.jar"}}, "flink_ha_yarn_job: /a.jar has no sha512"),
        ({"job": {"class": "A"}}, "flink_ha_yarn_job: an entry has no jar"),
        ({"libraries": [{"sha512": SUM}]}, "flink_ha_libraries: an entry has no jar"),
        ({"libraries": [LIBRARY, {**LIBRARY, "jar": "/elsewhere/connector-1.2.jar"}]}, "has connector-1.2.jar twice"),
        ({"libraries": [{"jar": "/flink-dist-2.3.0.jar", "sha512": SUM}]}, "is Flink itself"),
        ({"classpath": "opt/hadoop/*"}, "flink_ha_hadoop_classpath has opt/hadoop/*"),
        ({"classpath": "/opt/*/lib"}, "flink_ha_hadoop_classpath has /opt/*/lib"),
        ({"classpath": "/home/me/*"}, "lies in /home"),
        ({"conf_dir": "/root/hadoop"}, "lies in /root"),
        ({"classpath": "/opt/h/*", "environment": ["HADOOP_CLASSPATH"]}, "flink_ha_hadoop_classpath sets it too"),
        ({"conf_dir": "/etc/hadoop", "environment": ["HADOOP_CONF_DIR"]}, "flink_ha_hadoop_conf_dir sets it too"),
        ({"libraries": [LIBRARY], "environment": ["FLINK_PLUGINS_DIR"]}, "FLINK_PLUGINS_DIR, and flink_ha_plugins, flink_ha_libraries, "),
        ({"client": "3.5.9", "environment": ["FLINK_PLUGINS_DIR"]}, "flink_ha_zookeeper_client or flink_ha_yarn_job sets it too"),
    ],
)  # fmt: skip
def test_bad_inputs_are_refused_and_no_password_is_shown(given, told):
    (found,) = problems(**given)
    assert told in found
    assert "canary" not in found


def storage(uri, plugins=(), classpath="", environment=(), own_archive=False):
    return jars.storage_problems({"flink_ha_storage_dir": uri}, plugins, classpath, environment, own_archive)


@pytest.mark.parametrize(
    "given",
    [
        {"uri": "file:///mnt/flink"},
        {"uri": "hdfs://ns1/flink", "classpath": "/opt/hadoop/*"},
        {"uri": "hdfs://ns1/flink", "environment": ["HADOOP_CLASSPATH"]},
        {"uri": "hdfs://ns1/flink", "own_archive": True},
        {"uri": "s3://bucket/flink", "plugins": [{"name": "s3-fs-presto"}]},
        {"uri": "s3a://bucket/flink", "plugins": [OWN]},
        {"uri": "s3a://bucket/flink", "classpath": "/opt/hadoop/*"},
        {"uri": "abfss://flink@account.dfs.core.windows.net/x", "plugins": [{"name": "azure-fs-hadoop"}]},
        {"uri": "gs://bucket/flink", "environment": ["FLINK_PLUGINS_DIR"]},
        {"uri": "webhdfs://ns1/flink", "classpath": "/opt/hadoop/*"},
        {"uri": "tos://bucket/flink", "plugins": [OWN]},
    ],
)
def test_a_storage_that_something_brings_is_not_refused(given):
    assert storage(**given) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"uri": "hdfs://ns1/flink"}, "Set flink_ha_hadoop_classpath"),
        ({"uri": "hdfs://ns1/flink", "plugins": [SHIPPED]}, "Set flink_ha_hadoop_classpath"),
        ({"uri": "hdfs://ns1/flink", "environment": ["HADOOP_HOME"]}, "Set flink_ha_hadoop_classpath"),
        ({"uri": "s3://bucket/flink"}, "flink_ha_plugins to [{name: s3-fs-hadoop}]"),
        ({"uri": "s3p://bucket/flink", "plugins": [SHIPPED]}, "flink_ha_plugins to [{name: s3-fs-presto}]"),
        ({"uri": "tos://bucket/flink", "plugins": [SHIPPED]}, "name the jar that brings it in flink_ha_plugins"),
        ({"uri": "nfs://x/y"}, "the scheme 'nfs', which Flink has no file system for. Known: file, hdfs"),
        (
            {"uri": "ftp://host/flink", "classpath": "/opt/hadoop/*"},
            "the scheme 'ftp', which Flink has no file system for",
        ),
    ],
)
def test_trap_71_a_storage_that_nothing_brings_is_refused_with_the_input_that_does(given, told):
    (found,) = storage(**given)
    assert told in found


@pytest.mark.parametrize(
    "uri",
    [
        "s3://KEY:canary@bucket/flink",
        "s3a://canary@bucket/flink",
        "s3://KEY:ab/canary@bucket/x",
        "gs://key:canary@bucket/x",
        "abfss://container:canary@account.dfs.core.windows.net/x",
        "wasbs://container@account.blob.core.windows.net/x?sv=1&sig=canary",
        "hdfs://user:canary@ns1/x",
        "hdfs://[canary",
    ],
)
def test_keys_in_a_uri_are_refused_and_shown_to_nobody(uri):
    (found,) = jars.uri_problems({"flink_ha_storage_dir": uri})
    assert found.startswith("flink_ha_storage_dir has keys in it")
    told = storage(uri, plugins=[SHIPPED], environment=["HADOOP_CLASSPATH"])
    assert "canary" not in found + "".join(told)


@pytest.mark.parametrize(
    "uri",
    [
        "hdfs://flink@ns1/x",
        "file:///mnt/a@b",
        "s3://bucket/a@b",
        "hdfs://nn1:8020/x",
        "s3://[2001:db8::1]/x",
        "abfss://flink@account.dfs.core.windows.net/x",
        "/savepoints/1",
    ],
)
def test_what_is_no_key_is_not_refused(uri):
    assert jars.uri_problems({"flink_ha_yarn_savepoint": uri}) == []


def test_trap_71_a_host_has_one_release_of_hadoops_classes():
    paths = {"/opt/hadoop": {"exists": True}, "/etc/hadoop": {"exists": True}}

    def told(*names, classpath="/opt/hadoop/*", libraries=()):
        found = jars.path_problems("jm1", classpath, "/etc/hadoop", paths)
        return [*found, *jars.class_problems("jm1", classpath, libraries, {"/opt/hadoop": names})]

    assert told("hadoop-client-api-3.4.2.jar", "hadoop-common-3.4.2.jar", "guava-27.0-jre.jar") == []
    (found,) = told("hadoop-client-api-3.4.2.jar", "flink-shaded-hadoop-2-uber-2.8.3-10.0.jar")
    assert "two releases of Hadoop, flink-shaded-hadoop-2-uber-2.8.3-10.0.jar and hadoop-client-api-3.4.2.jar" in found
    (found,) = told("hadoop-client-api-3.4.2.jar", "hadoop-client-runtime-3.3.6.jar")
    assert "two releases of Hadoop, hadoop-client-api-3.4.2.jar and hadoop-client-runtime-3.3.6.jar" in found
    assert (
        told("hadoop-common-3.4.2.jar", "hadoop-mapreduce-client-core-3.1.3.jar", "hadoop-shaded-guava-1.3.0.jar") == []
    )
    (found,) = told(
        "hadoop-common-3.4.2.jar", libraries=[{"jar": "https://x.example/flink-shaded-hadoop-3-uber-3.1.1-9.0.jar"}]
    )
    assert "flink-shaded-hadoop-3-uber-3.1.1-9.0.jar" in found
    paths["/etc/hadoop"] = {"exists": False}
    (found,) = told()
    assert found.startswith("jm1: /etc/hadoop of flink_ha_hadoop_conf_dir is not there.")


CLIENT = {"jar": "https://repo.example/flink-shaded-zookeeper-3-3.5.9-14.0.jar", "sha512": SUM}
TWO = ("3.4.14", "3.5.9")


@pytest.mark.parametrize(
    ("chosen", "libraries", "clients", "told"),
    [
        ("", [LIBRARY], (), ""),
        ("", [LIBRARY], TWO, ""),
        ("3.5.9", [LIBRARY], TWO, ""),
        ("", [CLIENT], TWO, ""),
        ("3.5.9", [], (), "flink_ha_zookeeper_client is 3.5.9, and Flink 1.14.6 has one client of ZooKeeper"),
        ("", [CLIENT], (), "flink_ha_libraries has flink-shaded-zookeeper-3-3.5.9-14.0.jar, and Flink 1.14.6 has one"),
        (
            "3.5.9",
            [CLIENT],
            TWO,
            "flink_ha_zookeeper_client and flink_ha_libraries (flink-shaded-zookeeper-3-3.5.9-14.0.jar) both",
        ),
        (
            "",
            [CLIENT, {**CLIENT, "jar": "/srv/flink-shaded-zookeeper-3.6.3.jar"}],
            TWO,
            "of which one would count, by chance",
        ),
        ("3.6.3", [], TWO, "flink_ha_zookeeper_client is 3.6.3, and Flink 1.14.6 has 3.4.14 in lib/"),
        ("3.4.14", [], TWO, "which an empty one leaves there, and 3.5.9 in opt/"),
    ],
)
def test_a_client_of_zookeeper_is_chosen_where_there_are_two(chosen, libraries, clients, told):
    found = jars.client_problems(chosen, libraries, "1.14.6", clients)
    assert [told in problem for problem in found] == ([True] if told else [])


@pytest.mark.parametrize(
    ("chosen", "libraries", "clients", "client"),
    [
        ("", [LIBRARY], (), ""),
        ("", [LIBRARY], TWO, "3.4.14"),
        ("3.5.9", [LIBRARY], TWO, "3.5.9"),
        ("", [LIBRARY, CLIENT], TWO, "3.5.9"),
        ("", [{**CLIENT, "jar": "/srv/flink-shaded-zookeeper-3.6.3.jar"}], TWO, "3.6.3"),
    ],
)
def test_which_client_of_zookeeper_flink_runs_with(chosen, libraries, clients, client):
    assert jars.zookeeper_client(chosen, libraries, clients) == client


def test_a_set_without_the_releases_own_client_has_another_name_than_one_with_both():
    """Of those that were made before the release's own was left out."""
    wanted = jars.jars([], [CLIENT], "", {}, "1.14.6")
    as_before = hashlib.sha256(json.dumps(["1.14.6", [["", wanted[0].file, SUM]]]).encode()).hexdigest()[:16]
    assert jars.set_name(wanted, "1.14.6") != f"flink-1.14.6-jars-{as_before}"
    others = jars.jars([], [LIBRARY], "", {}, "1.14.6")
    as_before = hashlib.sha256(json.dumps(["1.14.6", [["", others[0].file, SUM]]]).encode()).hexdigest()[:16]
    assert jars.set_name(others, "1.14.6") == f"flink-1.14.6-jars-{as_before}", "others are not rolled"
