"""Inventories from configuration that is there: what is written by this toolkit comes back, and what others wrote is judged line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.streamquorum.ha.plugins.action.import_config import _tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing import files
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing.inventory import inventory
from unit.plugins.plugin_utils import roles

TABLES = _tables(roles.ROOT / "roles")
WRITTEN = Path(__file__).parents[1] / "flink/written"
OLD = """# somebody's
high-availability: zookeeper
high-availability.zookeeper.quorum: zk2:2181,zk1:2181
high-availability.cluster-id: orders
recovery.zookeeper.storageDir: hdfs://ns1/ha
high-availability.zookeeper.client.session-timeout: 60 s
jobmanager.heap.size: 1024m
taskmanager.numberOfTaskSlots: 4
taskmanager.numberOfTaskSlots: 8
this is nothing
s3.secret-key: canary
env.java.opts: "-XX:+UseG1GC -Dx='a b'"
query.server.ports: 9067
some.unknown: 3
state.checkpoints.dir: hdfs://ns1/cp # comment
taskmanager.rpc.port: 50100-50200
high-availability.zookeeper.path.latch: /latch
heartbeat.timeout: 50000
security.ssl.rest.enabled: true
security.ssl.rest.keystore-password: canary
"""
ZOO = """tickTime=3000
dataDir=/data/zk
clientPort=2181
server.1=zk1:2888:3888
server.2=zk2:2888:3888:observer;2181
jute.maxbuffer=400000
snapCount=20000
group.1=1:2
authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider
initLimit 10
novalue
4lw.commands.whitelist=ruok,dump
"""


def imported(versions=("1.20.5",), **texts):
    """By name of the file, with - for the dot."""
    read = [files.read(f"old/{name}", text) for name, text in texts.items()]
    return inventory(read, versions, TABLES)


class Loader(yaml.SafeLoader):
    """Reads an inventory; what Ansible would not take for a template is a text as all others."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def tree(found):
    return yaml.load(found.text, Loader)["all"]["children"]


TEMPLATE = "x{{ lookup('pipe', 'id') }}"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("flink-conf.yaml", f"metrics.scope.jm: {TEMPLATE}"),
        ("flink-conf.yaml", f"high-availability.storageDir: hdfs://ns1/{TEMPLATE}"),
        ("flink-conf.yaml", f"env.java.opts: -Da={TEMPLATE}"),
        ("flink-conf.yaml", f"high-availability.cluster-id: {TEMPLATE}"),
        ("zoo.cfg", f"dataDir=/data/{TEMPLATE}"),
        ("zoo.cfg", f"autopurge.foo={TEMPLATE}"),
        ("zoo.cfg", f"server.1={TEMPLATE}:2888:3888;2181"),
    ],
)
def test_trap_82_a_template_in_a_file_stays_a_text(name, line):
    """The file is the service's own user's on many sites; whoever uses the inventory is not."""
    base = OLD if name == "flink-conf.yaml" else ZOO
    found = imported(("1.20.5", "3.9.5"), **{name: f"{base}{line}\n"})
    lines = [each for each in found.text.splitlines() if "{{" in each and not each.startswith("#")]
    assert all("!unsafe" in each for each in lines), lines


def test_trap_82_no_value_ends_the_comments_of_the_head():
    value = r"50100-50110\nflink:\n  vars:\n    flink_ha_home_dir: /x"
    found = imported(**{"config.yaml": f'taskmanager.data.port: "{value}"\n'})
    assert "flink_ha_home_dir: /x" in found.text
    assert set(yaml.load(found.text, Loader)) == {"all"}


def flink_of(text, version="1.20.5", name="flink-conf.yaml"):
    found = imported((version,), **{name: text})
    return tree(found)["flink"]["vars"], found


def test_variables_of_flink_come_from_old_and_new_names():
    variables, _found = flink_of(OLD)
    assert variables == {
        "flink_ha_zookeeper_quorum": "zk2:2181,zk1:2181",
        "flink_ha_cluster_id": "/orders",
        "flink_ha_storage_dir": "hdfs://ns1/ha",
        "flink_ha_zookeeper_session_timeout": 60000,
        "flink_ha_taskmanager_slots": 8,
        "flink_ha_java_opts": ["-XX:+UseG1GC", "-Dx=a b"],
        "flink_ha_checkpoint_dir": "hdfs://ns1/cp",
        "flink_ha_config_extra": {"heartbeat.timeout": 50000, "query.server.ports": 9067},
        "flink_ha_rest_tls": "server",
        "flink_ha_version": "1.20.5",
    }


@pytest.mark.parametrize(
    "line",
    [
        "old/flink-conf.yaml:5: recovery.zookeeper.storageDir is high-availability.storageDir in Flink 2.3.0.",
        "old/flink-conf.yaml:8: taskmanager.numberOfTaskSlots is there again in line 9, which counts.",
        "old/flink-conf.yaml:10: Flink reads nothing here, since it is no `key: value`.",
        "old/flink-conf.yaml:14: some.unknown is no option of Flink that this toolkit knows. Flink would ignore it in silence; it is left out.",
        "old/flink-conf.yaml:15: what stands behind the # is no part of the value of state.checkpoints.dir.",
        "old/flink-conf.yaml:17: high-availability.zookeeper.path.latch is an option of Flink 1.13, and not of 2.3.0. Flink would "
        "ignore it in silence; it is left out.",
        "restart-strategy.type is not in the file. The role writes exponential-delay (flink_ha_restart_strategy).",
    ],
)
def test_lines_that_are_dead_ignored_or_changed_are_told_by_their_numbers(line):
    told = flink_of(OLD, "2.3.0")[1].told
    assert line in told
    assert "keystore" not in "".join(told), "the role makes none here"


@pytest.mark.parametrize(
    "what",
    [
        "flink_ha_jobmanager_memory: jobmanager.heap.size (line 7) was the heap alone",
        "flink_ha_storage_credentials: s3.secret-key (line 11) has a secret",
        "flink_ha_taskmanager_rpc_port: taskmanager.rpc.port (line 16) is 50100-50200",
        "flink_ha_hadoop_classpath and flink_ha_hadoop_conf_dir: what HADOOP_CLASSPATH",
        "Certificates: the role makes the stores",
        "The hosts of the group flink_taskmanager",
    ],
)
def test_what_no_file_can_hold_is_named_as_missing(what):
    found = flink_of(OLD)[1]
    assert [line for line in found.missing if line.startswith(what)], found.missing
    assert what.split(":")[0] in found.text, "in the head of the inventory too"


@pytest.mark.parametrize(
    "line",
    [
        "env.java.opts: -Djavax.net.ssl.trustStorePassword=canary",
        "env.java.opts.taskmanager: -Dx.password=canary",
        "high-availability.storageDir: s3://key:canary@bucket/x",
        "s3.access-key: canary",
        "some.password: canary",
        "fs.azure.sas.flink.account: sv=2022&sig=canary",
        "fs.s3a.access.key: canary",
        "fs.oss.accessKeyId: canary",
        "state.savepoints.dir: hdfs://user:canary@ns1/x",
        "metrics.reporter.x.url: https://canary@host/x",
        "some.url: https://host/x?sig=canary",
        "some.url: jdbc:postgresql://u:canary@db/x",
        "env.java.opts: -Dmy.url=http://u:canary@h/x",
        'high-availability.storageDir: "s3://k:canary@b/x"',
        "some.urls: a,s3://k:canary@b",
        "some.urls: x;s3://k:canary@b;y",
        "high-availability.storageDir: s3://KEY:ab/canary@bucket/x",
    ],
)
def test_a_secret_is_told_to_nobody(line):
    for text in (OLD, line + "\n"):
        found = flink_of(text)[1]
        assert "canary" not in found.text + "".join(found.told) + "".join(found.missing)
    assert f"{line.partition(':')[0]} (line 1) has a secret" in "".join(found.missing)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("security.ssl.enabled: true\n", {"flink_ha_rest_tls": "server", "flink_ha_internal_tls": True}),
        ("security.ssl.internal.enabled: true\nakka.ssl.enabled: false\n", {"flink_ha_internal_tls": True}),
        ("akka.ssl.enabled: true\n", {}),
        # With high availability nobody reads the second.
        (
            "high-availability.jobmanager.port: 50010\njobmanager.rpc.port: 6123\n",
            {"flink_ha_jobmanager_rpc_port": "50010"},
        ),
        ("jobmanager.bind-host: 0.0.0.0\nrest.bind-address: localhost\n", {}),
        (
            "metrics.internal.query-service.port: 6130\n",
            {"flink_ha_jobmanager_metrics_port": 6130, "flink_ha_taskmanager_metrics_port": 6130},
        ),
        # The name of the release counts before older ones.
        ("rest.port: 8090\njobmanager.web.port: 8091\n", {"flink_ha_rest_port": 8090}),
        (
            "high-availability.storageDir: /mnt/flink\n",
            {"flink_ha_storage_dir": "file:///mnt/flink", "flink_ha_storage_shared": True},
        ),
        # What stands before the @ is a container, or a user.
        (
            "high-availability.storageDir: abfss://flink@account.dfs.core.windows.net/x\nstate.checkpoints.dir: hdfs://flink@ns1/x\n",
            {
                "flink_ha_storage_dir": "abfss://flink@account.dfs.core.windows.net/x",
                "flink_ha_checkpoint_dir": "hdfs://flink@ns1/x",
            },
        ),
        ("restart-strategy: fixeddelay\n", {"flink_ha_restart_strategy": "fixed-delay"}),
        # A switch is no secret, whatever its name.
        (
            "security.delegation.tokens.enabled: false\n",
            {"flink_ha_config_extra": {"security.delegation.tokens.enabled": False}},
        ),
        ("io.tmp.dirs: /a:/b\n", {"flink_ha_tmp_dirs": ["/a", "/b"]}),
    ],
)
def test_keys_that_stand_for_one_variable_are_taken_as_flink_takes_them(text, variables):
    found = flink_of(text)[0]
    # Flink's own, where the file has none.
    assert found == {"flink_ha_cluster_id": "/default", "flink_ha_version": "1.20.5"} | variables


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (
            "jobmanager.bind-host: 0.0.0.0\nrest.bind-address: localhost\n",
            "flink_ha_bind_address: jobmanager.bind-host (line 1) is 0.0.0.0",
        ),
        ("security.ssl.internal.enabled: true\nakka.ssl.enabled: false\n", "TLS: akka.ssl.enabled (line 2) is false"),
        (
            "taskmanager.memory.flink.size: 4g\n",
            "flink_ha_taskmanager_memory: taskmanager.memory.flink.size (line 1) is 4g",
        ),
        ("rest.bind-port: 8081-8090\n", "flink_ha_rest_port: rest.bind-port (line 1) is 8081-8090"),
        # Whichever of the places it is that needs it.
        ("high-availability.storageDir: file:///x\nstate.checkpoints.dir: hdfs://ns1/x\n", "flink_ha_hadoop_classpath"),
        ("high-availability.storageDir: hdfs://ns1/x\nstate.savepoints.dir: gs://bucket/x\n", "flink_ha_plugins"),
    ],
)
def test_what_the_operator_has_to_decide_is_named(text, missing):
    found = flink_of(text)[1].missing
    assert [line for line in found if line.startswith(missing)], found


@pytest.mark.parametrize(
    ("text", "hosts", "missing"),
    [
        (
            "dataDir=/d\ndynamicConfigFile=/etc/zoo.cfg.dynamic.1\n",
            {},
            "The members: they stand in /etc/zoo.cfg.dynamic.1",
        ),
        (
            "dataDir=/d\nserver.1=0.0.0.0:2888:3888\nserver.2=zk2:2888:3888\n",
            {"zk2": {"zookeeper_id": 2}},
            "The host of the member 1",
        ),
        ("dataDir=/d\nserver.1=[2001:db8::1]:2888:3888\n", {}, "The member 1"),
        (
            "dataDir=/d\nserver.2=zk2:2888:3888\nclientPortAddress=10.0.0.1\n",
            {"zk2": {"zookeeper_id": 2}},
            "clientPortAddress (line 3)",
        ),
    ],
)
def test_members_that_cannot_be_told_are_named_and_make_no_single_node(text, hosts, missing):
    found = imported(("3.9.5",), **{"zoo.cfg": text})
    assert tree(found)["zookeeper"] == {
        "hosts": hosts,
        "vars": {"zookeeper_data_dir": "/d", "zookeeper_version": "3.9.5"},
    }
    assert [line for line in found.missing if line.startswith(missing)], found.missing


def test_what_stands_behind_an_option_that_is_a_map_is_the_operators_own():
    variables = flink_of("pipeline.global-job-parameters:\n  env: prod\n", "2.3.0", "config.yaml")[0]
    assert variables["flink_ha_config_extra"] == {"pipeline.global-job-parameters.env": "prod"}
    assert variables["flink_ha_config_unchecked"] == ["pipeline.global-job-parameters."]


@pytest.mark.parametrize("version", ["1.13.6", "1.16.3", "1.18.1", "1.20.5", "2.3.0"])
def test_what_this_toolkit_writes_comes_back(version):
    text = (WRITTEN / f"{version.rpartition('.')[0]}.txt").read_text().split("--- ")[2].partition("\n")[2]
    name = "config.yaml" if version > "1.19" else "flink-conf.yaml"
    variables, found = flink_of(text, version, name)
    assert variables == {
        "flink_ha_cluster_id": "/orders",
        "flink_ha_storage_dir": "hdfs://nameservice/flink",
        # By default these two follow from the storage.
        "flink_ha_checkpoint_dir": "hdfs://nameservice/flink/checkpoints",
        "flink_ha_savepoint_dir": "hdfs://nameservice/flink/savepoints",
        "flink_ha_zookeeper_quorum": "zk1.invalid:2181,zk2.invalid:2181,zk3.invalid:2181",
        "flink_ha_zookeeper_auth": "kerberos",
        "flink_ha_zookeeper_acl": "creator",
        "flink_ha_keytab": "/etc/flink/flink.keytab",
        "flink_ha_principal": "flink@X.TEST",
        "flink_ha_rest_tls": "mutual",
        "flink_ha_internal_tls": True,
        "flink_ha_web_submit": False,
        "flink_ha_checkpoint_interval": 1000,
        "flink_ha_parallelism": 2,
        "flink_ha_version": version,
        "flink_ha_tmp_dirs": ["/tmp/flink"],
        # A file is taken to be that of both kinds of processes; this one is a JobManager's.
        "flink_ha_taskmanager_metrics_port": 6125,
        **({"flink_ha_zookeeper_ensemble_tracker": False} if version >= "1.18" else {}),
    }
    assert not [line for line in found.told if "left out" in line], found.told


def test_an_ensemble_and_its_members():
    found = imported(("1.20.5", "3.9.5"), **{"flink-conf.yaml": OLD, "zoo.cfg": ZOO})
    assert tree(found)["zookeeper"] == {
        "hosts": {"zk1": {"zookeeper_id": 1}, "zk2": {"zookeeper_id": 2, "zookeeper_peer_type": "observer"}},
        "vars": {
            "zookeeper_tick_time": 3000,
            "zookeeper_data_dir": "/data/zk",
            "zookeeper_config_extra": {"snapCount": 20000},
            "zookeeper_four_letter_words": ["conf", "dump", "isro", "mntr", "ruok", "srvr"],
            "zookeeper_version": "3.9.5",
        },
    }
    assert "flink_ha_zookeeper_quorum" not in tree(found)["flink"]["vars"], "it is the one of the inventory"
    told = "\n".join(found.told)
    assert "old/zoo.cfg:6: jute.maxbuffer is read as a Java property only" in told
    assert "old/zoo.cfg:11: no `key=value`" in told
    assert "old/zoo.cfg:8: group.1 makes a hierarchical quorum" in told
    assert "autopurge.purgeInterval is not in the file. The role writes 1 (zookeeper_autopurge_purge_interval)." in told
    assert "zookeeper_client_auth: authProvider.1 (line 9)" in "\n".join(found.missing)


def test_hosts_come_from_masters_and_workers():
    found = imported(masters="jm1:8081\njm2:8081\njm2:8082\n", workers="tm1\n# none\ntm2\ntm2\nbad host\n")
    groups = tree(found)["flink"]["children"]
    assert groups["flink_jobmanager"]["hosts"] == {
        "jm1": {},
        "jm2": {"flink_ha_jobmanager_instances": [{"rest_port": 8081}, {"rest_port": 8082}]},
    }
    assert groups["flink_taskmanager"]["hosts"] == {"tm1": {}, "tm2": {"flink_ha_taskmanager_instances": [{}, {}]}}
    assert "old/workers:5: no host." in found.told


def test_nested_keys_of_yaml_are_flat_and_keep_their_lines():
    text = "high-availability:\n  type: zookeeper\n  cluster-id: /x\nsome:\n  thing: 1\npipeline.jars: [a, b]\n"
    variables, found = flink_of(text, "2.3.0", "config.yaml")
    assert variables["flink_ha_cluster_id"] == "/x"
    assert variables["flink_ha_config_extra"] == {"pipeline.jars": "a;b"}
    assert [line for line in found.told if line.startswith("old/config.yaml:5: some.thing")]


@pytest.mark.parametrize(
    ("texts", "versions", "told"),
    [
        ({"other.txt": "a"}, ["1.20.5"], "old/other.txt is none of flink-conf.yaml"),
        ({"flink-conf.yaml": "nothing\n"}, ["1.20.5"], "has no line that flink-conf.yaml could have"),
        ({"config.yaml": "a: [\n"}, ["1.20.5"], "is no YAML"),
        ({"config.yaml": "- a\n"}, ["1.20.5"], "is no map of keys"),
        ({"flink-conf.yaml": OLD}, ["3.9.5"], "import_version names no release of Flink"),
        ({"flink-conf.yaml": OLD}, ["9.9.9"], "import_version 9.9.9 is no release"),
        ({"flink-conf.yaml": OLD, "config.yaml": "a: b"}, ["1.20.5"], "are both given"),
        ({"workers": "tm1", "slaves": "tm1"}, ["1.20.5"], "are both workers"),
    ],
)
def test_what_is_no_configuration_is_refused(texts, versions, told):
    with pytest.raises(files.ImportRefusedError, match=told):
        imported(versions, **texts)


@pytest.mark.parametrize(
    ("limit", "given", "kept"),
    [
        # The one of ZooKeeper's own sample: most files have it, and most files of Flink have no timeout.
        (5, "", 60000),
        (2, "", None),
        (5, "high-availability.zookeeper.client.session-timeout: 30 s\n", 30000),
    ],
)
def test_flinks_own_session_timeout_is_kept_where_the_roles_would_be_refused(limit, given, kept):
    zoo = f"tickTime=2000\nsyncLimit={limit}\ndataDir=/data/zk\nserver.1=zk1:2888:3888\n"
    config = "high-availability: zookeeper\nhigh-availability.storageDir: hdfs://ns1/ha\n" + given
    found = imported(("1.20.5", "3.9.5"), **{"zoo.cfg": zoo, "flink-conf.yaml": config})
    variables = tree(found)["flink"]["vars"]
    assert variables.get("flink_ha_zookeeper_session_timeout") == kept
    assert any("so Flink's own counted, 60000 ms" in line for line in found.told) == (kept == 60000)


def test_what_a_file_may_leave_out_or_write_as_nothing():
    zoo = "tickTime=2000\nsyncLimit=2\ndataDir=/data/zk\nserver.1=zk1:2888:3888\nserver.2=zk2:2888:3888\n"
    config = "high-availability: zookeeper\nhigh-availability.zookeeper.quorum: {}\ntaskmanager.rpc.port: 0\n"
    found = imported(("1.20.5", "3.9.5"), **{"zoo.cfg": zoo, "flink-conf.yaml": config.format("zk1,zk2")})
    variables = tree(found)["flink"]["vars"]
    assert "flink_ha_zookeeper_quorum" not in variables, "the ensemble's own members"
    assert "flink_ha_taskmanager_rpc_port" not in variables
    assert any("flink-conf.yaml:3: taskmanager.rpc.port is 0, any port" in line for line in found.told)
    found = imported(("1.20.5", "3.9.5"), **{"zoo.cfg": zoo, "flink-conf.yaml": config.format("zk7,zk8:2182")})
    assert tree(found)["flink"]["vars"]["flink_ha_zookeeper_quorum"] == "zk7:2181,zk8:2182"


def test_a_key_that_is_there_twice_in_one_map_keeps_flink_from_starting():
    """Seen with Flink 2.3, which takes it from two maps."""
    text = "rest.port: 1\nrest:\n  port: 2\njobmanager:\n  rpc:\n    port: 6123\n    port: 6124\n"
    told = "\n".join(imported(("2.3.0",), **{"config.yaml": text}).told)
    assert "old/config.yaml:7: jobmanager.rpc.port is there again in the same map, and Flink does not start" in told
    assert "old/config.yaml:1: rest.port is there again in line 3, which counts." in told
    assert "rest.port is there again in the same map" not in told


def test_a_jobmanager_that_is_there_twice_is_one():
    files = {
        "flink-conf.yaml": "rest.port: 8081\n",
        "masters": "jm1:8081\njm2:8081\njm1:8081\n",
        "workers": "tm1\ntm1\n",
    }
    found = imported(**files)
    assert "old/masters:1: jm1:8081 is there again in line 3, which counts." in found.told
    hosts = tree(found)["flink"]["children"]["flink_jobmanager"]["hosts"]
    assert {name: "flink_ha_jobmanager_instances" in (given or {}) for name, given in hosts.items()} == {
        "jm1": False,
        "jm2": False,
    }


@pytest.mark.parametrize(
    ("line", "told", "kept"),
    [
        (
            "snapCoutn=5",
            "snapCoutn is no key of ZooKeeper that this toolkit knows. Did you mean snapCount? A server makes",
            True,
        ),
        ("leader.maxConcurrentSnapshots=5", "is a key of ZooKeeper 3.5, and not of 3.9.5. It is left out.", False),
        ("electionAlg=1", "electionAlg is 1, and ZooKeeper has no other than 3 since 3.6. It is left out.", False),
        ("electionAlg=3", "", False),
        ("fsync.warningthresholdms=20", "", True),
        ("authProvider.1=x.Y", "", False),
        ("metricsProvider.httpPort=7000", "", True),
        ("ssl.quorum.hostnameVerification=false", "", True),
    ],
)
def test_keys_of_zoo_cfg_are_looked_up_in_those_of_the_release(line, told, kept):
    found = imported(("3.9.5",), **{"zoo.cfg": f"dataDir=/d\nserver.1=zk1:2888:3888\n{line}\n"})
    lines = [each for each in found.told if each.startswith("old/zoo.cfg:3: ")]
    assert (told in "".join(lines)) if told else lines == []
    extra = tree(found)["zookeeper"]["vars"].get("zookeeper_config_extra", {})
    assert (line.partition("=")[0] in extra) == kept


def test_an_election_that_a_release_has_is_kept():
    """All members of an ensemble need the same."""
    found = imported(("3.5.10",), **{"zoo.cfg": "dataDir=/d\nserver.1=zk1:2888:3888\nelectionAlg=1\n"})
    assert tree(found)["zookeeper"]["vars"]["zookeeper_config_extra"] == {"electionAlg": 1}
