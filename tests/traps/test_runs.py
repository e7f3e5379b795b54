"""Traps of whole runs: who is judged, who is left out, and what a run that cannot see everything does."""

from __future__ import annotations

import pytest

#: Playbooks that change something, with what makes them go.
CHANGING = {
    "site.yml": (),
    "zookeeper.yml": (),
    "rolling_restart.yml": ("-e", "rolling_restart_target=zookeeper"),
    "upgrade.yml": (),
    "start.yml": (),
    "stop.yml": ("-e", "stop_cluster=true"),
}
#: These are for a whole cluster too, and read only, or need a group of their own.
WITHOUT_HOSTS = (*CHANGING, "flink.yml", "status.yml", "acls.yml", "adopt.yml", "clean.yml", "keytabs.yml")


def written(world) -> dict[str, list[str]]:
    """Paths that were written, by host."""
    paths: dict[str, list[str]] = {}
    for call in world.calls("host_files"):
        if not call["check"]:
            paths.setdefault(call["host"], []).extend(entry["path"] for entry in call["args"]["entries"])
    return paths


def touched(world) -> list[str]:
    """What was done on any host but reading it."""
    reading = ("host_state", "zookeeper_quorum")
    return [f"{call['module']} on {call['host']}" for call in world.calls() if call["module"] not in reading]


@pytest.mark.parametrize("playbook", ["site.yml", pytest.param("stop.yml", marks=pytest.mark.long)])
def test_trap_04_a_host_that_cannot_be_reached_stops_the_run_before_a_change(world, playbook):
    """Ansible drops it from the plays that follow, which would change the others."""
    world.unreachable("zk2")
    code, output = world.run(playbook, *CHANGING[playbook])
    assert code != 0, output
    assert touched(world) == []


@pytest.mark.long
def test_trap_69_a_run_goes_on_without_a_host_that_is_named_and_leaves_it_alone(world):
    """One dead host must not keep all others from a change; what was left undone is said."""
    for number in (4, 5):
        world.add(f"zk{number}", number)
    world.names += ["zk4", "zk5"]
    world.unreachable("zk2")
    world.set("zk2", live=False, mode="", process="", generation="")
    code, output = world.run("site.yml", "-e", "accept_unreachable=zk2")
    assert code == 0, output
    assert world.stepped() == ["zk1", "zk4", "zk5", "zk3"]
    assert "left as they are: zk2" in output
    assert {call["host"] for call in world.calls()} == {"zk1", "zk3", "zk4", "zk5"}
    assert "localhost -> zk2" not in output, "the others suffice for the lock"
    # What the others run still has the dead one: it is a member.
    assert all("server.2=zk2.invalid:" in config for config in configurations(world))
    guards = [call["args"]["guard"] for call in world.calls("service_step")]
    assert {tuple(guard["accepted"]) for guard in guards} == {(2,)}
    # The host is back: the next run finishes it, and nobody else.
    world.set("zk2", live=True, mode="follower", process="zk2.9", generation="0" * 16)
    (world.folder / "zk2.connection").write_text("local")
    world.forget()
    code, output = world.run("site.yml")
    assert code == 0, output
    assert world.stepped() == ["zk2"]


@pytest.mark.parametrize(
    ("gone", "accepted", "words"),
    [
        (["zk2", "zk3"], "zk2,zk3", "Without zk2, zk3 the ensemble has no quorum"),
        (["zk2"], "zk22", "fatal: [zk2]: UNREACHABLE!"),
        (["zk2", "zk3"], "zk2", "Not reached, or refused above: "),
    ],
)
def test_trap_69_what_is_needed_or_not_named_stops_the_run_before_a_change(world, gone, accepted, words):
    for name in gone:
        world.unreachable(name)
    code, output = world.run("site.yml", "-e", f"accept_unreachable={accepted}")
    assert code != 0, output
    assert words in output
    assert touched(world) == []


def test_trap_69_no_first_start_without_knowing_what_a_member_holds(world):
    world.set(*world.names, live=False, data=False, mode="", generation="", process="")
    world.unreachable("zk2")
    code, output = world.run("site.yml", "-e", "accept_unreachable=zk2")
    assert code != 0, output
    assert "what zk2 holds is not known" in output
    assert touched(world) == []


def configurations(world) -> list[str]:
    """The texts of zoo.cfg that were written."""
    return [
        str(entry.get("content") or entry.get("secret_content"))
        for call in world.calls("host_files")
        if not call["check"]
        for entry in call["args"]["entries"]
        if entry["path"].endswith("/zoo.cfg")
    ]


def test_trap_04_37_a_host_that_cannot_be_reached_stops_a_run_with_a_limit_too(world):
    """`--limit` leaves out localhost, and with it whatever a play there would find out."""
    world.unreachable("zk2")
    code, output = world.run("site.yml", "--limit", "zookeeper")
    assert code != 0, output
    assert "fatal: [zk2]: UNREACHABLE!" in output
    assert touched(world) == []


def test_trap_04_a_host_that_is_refused_stops_the_run_for_all(world):
    world.event("before", "host_state", "zk2", reply={"failed": True, "msg": "no such thing as its disk"})
    code, output = world.run("site.yml")
    assert code != 0, output
    assert touched(world) == []


@pytest.mark.parametrize("playbook", CHANGING)
def test_trap_12_37_a_limit_to_a_part_is_refused_with_the_command_to_run(world, playbook):
    """`--limit` also takes the plays on localhost out: the lock, the plan, the check of the inventory."""
    code, output = world.run(playbook, *CHANGING[playbook], "--limit", "zk1")
    assert code != 0, output
    assert "--limit leaves out zk2, zk3" in output
    assert "Run without --limit" in output
    assert touched(world) == []


def test_trap_37_a_limit_to_the_group_leaves_what_runs_alone_and_says_what_is_left_to_do(world):
    """All members are seen, and the roll, a play on localhost, is skipped: nothing may restart then, nor look done."""
    code, output = world.run("site.yml", "--limit", "zookeeper")
    assert code != 0, output
    assert "PLAY [Roll] " not in output or "skipping: no hosts matched" in output
    assert world.stepped() == []
    assert world.units() == []
    assert "Not every host runs what the inventory asks for" in output
    assert "without --tags and --limit" in output
    for paths in written(world).values():
        assert not [path for path in paths if path.endswith(("/current", ".service"))], "what runs was switched"


def test_each_cluster_of_an_inventory_gets_a_key_of_its_own(world):
    for group in ("flink_jobmanager", "flink_taskmanager"):
        hosts = {}
        for cluster in ("orders", "bills"):
            name = f"{group}_{cluster}".replace("_", "-")
            world.add(name, 0)
            hosts[name] = world.inventory["all"]["children"]["zookeeper"]["hosts"].pop(name) | {
                "flink_ha_cluster_id": f"/{cluster}", "flink_ha_zookeeper_auth": "kerberos", "flink_ha_principal": f"{cluster}@A.TEST",
                "flink_ha_keytab_file": f"/keys/{cluster}", "kerberos_admin_principal": "admin", "kerberos_admin_password": "secret",
                "flink_ha_storage_dir": "file:///srv",
            }  # fmt: skip
        world.inventory["all"]["children"][group] = {"hosts": hosts}
    code, output = world.run("keytabs.yml")
    assert code == 0, output
    asked = [(call["args"]["principal"], call["args"]["path"]) for call in world.calls("kerberos_key")]
    assert sorted(asked) == [("bills@A.TEST", "/keys/bills"), ("orders@A.TEST", "/keys/orders")]


@pytest.mark.parametrize("playbook", WITHOUT_HOSTS)
def test_trap_38_an_inventory_without_hosts_is_refused(world, playbook):
    """Ansible itself says "no hosts matched", and exits 0."""
    world.inventory = {"all": {"hosts": {}}}
    code, output = world.run(playbook, *CHANGING.get(playbook, ()))
    assert code != 0, output
    assert touched(world) == []
    assert "no host in the group zookeeper" in output


def test_trap_05_35_a_first_run_marks_all_members_before_it_starts_each_of_them_once(world):
    world.set(*world.names, live=False, installed=False, data=False, mode="", generation="", process="")
    world.event("before", "zookeeper_quorum", "zk1", reply={"failed": True, "msg": "nobody serves"})
    code, output = world.run("zookeeper.yml")
    assert code != 0, output
    assert {name: "/var/lib/zookeeper/initialize" in paths for name, paths in written(world).items()} == dict.fromkeys(
        world.names, True
    ), written(world)
    assert sorted(world.units()) == [(name, "started") for name in world.names]
    modules = [call["module"] for call in world.calls()]
    last_write = len(modules) - modules[::-1].index("host_files")
    assert modules.index("fake_systemd_service") >= last_write, "one starts before another has its marker"


def test_trap_05_a_member_without_data_never_gets_the_marker_where_another_holds_data(world):
    world.set(*world.names, live=False, mode="", generation="", process="")
    world.set("zk2", data=False)
    code, output = world.run("zookeeper.yml", "--tags", "configure")
    assert code == 0, output
    assert set(written(world)) == set(world.names)
    assert not [path for paths in written(world).values() for path in paths if path.endswith("/initialize")]


#: Down, with nothing in the data directories.
GONE = {"live": False, "data": False, "mode": "", "generation": "", "process": ""}


def serves_from_now_on(world) -> dict:
    """What the servers have become by the time that they are asked."""
    return {
        name: {"live": True, "data": True, "mode": "leader" if name == "zk3" else "follower"} for name in world.names
    }


@pytest.mark.parametrize("playbook", [name for name in CHANGING if name != "stop.yml"])
def test_trap_53_where_all_data_is_gone_nothing_is_started(world, playbook):
    """A mount that did not come back on any host, after a power loss; on one of them the record is all that is left."""
    world.set(*world.names, **GONE)
    world.set("zk1", "zk2", served=False)
    code, output = world.run(playbook, *CHANGING[playbook])
    assert code != 0, output
    assert "No member holds data: /var/lib/zookeeper/version-2" in output
    assert "on zk1, zk2, zk3" in output.replace("on zk3, zk1, zk2", "on zk1, zk2, zk3")
    assert "this ensemble has served (/etc/zookeeper/served on zk3)" in output
    assert "-e zookeeper_accept_empty_ensemble=true" in output
    assert touched(world) == []


@pytest.mark.long
def test_trap_53_a_limit_to_the_group_does_not_lead_past_it(world):
    world.set(*world.names, **GONE)
    code, output = world.run("site.yml", "--limit", "zookeeper")
    assert code != 0, output
    assert "No member holds data" in output
    assert touched(world) == []


@pytest.mark.long
def test_trap_53_one_server_alone_that_lost_its_data_is_not_started(world):
    world.names = ["zk1"]
    world.inventory["all"]["children"]["zookeeper"]["hosts"] = {
        "zk1": world.inventory["all"]["children"]["zookeeper"]["hosts"]["zk1"]
    }
    world.inventory["all"]["vars"]["zookeeper_single_node"] = True
    world.set("zk1", **GONE)
    for playbook in ("site.yml", "start.yml"):
        code, output = world.run(playbook)
        assert code != 0, output
        assert "No member holds data" in output
    assert touched(world) == []


def test_trap_53_servers_that_run_over_empty_directories_are_not_made_a_new_ensemble(world):
    """Started by the boot itself: they listen, and wait for somebody who has the data."""
    world.set(*world.names, data=False, mode="")
    code, output = world.run("site.yml")
    assert code != 0, output
    assert "No member holds data" in output
    assert touched(world) == []


@pytest.mark.long
def test_trap_53_with_the_switch_a_new_ensemble_is_made(world):
    world.set(*world.names, **GONE)
    world.event("before", "zookeeper_quorum", "zk3", set=serves_from_now_on(world))
    world.event("before", "zookeeper_quorum", "zk1", set=serves_from_now_on(world))
    code, output = world.run("zookeeper.yml", "-e", "zookeeper_accept_empty_ensemble=true")
    assert code == 0, output
    assert all("/var/lib/zookeeper/initialize" in paths for paths in written(world).values()), written(world)
    assert sorted(world.units()) == [(name, "started") for name in world.names]


def test_trap_53_start_makes_no_new_ensemble(world):
    """Without the marker of a first start nobody gets a vote, and a start would wait for its whole time limit."""
    world.set(*world.names, **GONE)
    code, output = world.run("start.yml", "-e", "zookeeper_accept_empty_ensemble=true")
    assert code != 0, output
    assert "nothing is started from nothing here. playbooks/site.yml makes a new ensemble" in output
    assert touched(world) == []


@pytest.mark.long
def test_trap_53_what_is_gone_may_be_stopped(world):
    world.set(*world.names, data=False, mode="")
    code, output = world.run("stop.yml", "-e", "stop_cluster=true")
    assert code == 0, output
    assert sorted(world.units()) == [(name, "stopped") for name in world.names]


def test_a_host_without_a_release_that_nobody_can_give_keeps_nothing_from_being_stopped(world, tmp_path):
    (tmp_path / "manifest.json").write_text("no manifest")
    world.inventory["all"]["vars"] |= {"zookeeper_bundle_dir": str(tmp_path)}
    world.set("zk3", marker="", mode="")
    code, output = world.run("site.yml")
    assert code != 0, output
    assert "manifest.json cannot be read" in output
    code, output = world.run("stop.yml", "-e", "stop_cluster=true")
    assert code == 0, output
    assert sorted(world.units()) == [(name, "stopped") for name in world.names]


def test_an_input_of_a_wrong_type_keeps_nobody_from_seeing_what_runs(world):
    world.inventory["all"]["vars"] |= {"zookeeper_heap_mb": "2G"}
    code, output = world.run("site.yml")
    assert code != 0, output
    assert "'zookeeper_heap_mb' is of type str" in output
    code, output = world.run("status.yml")
    assert code == 0, output
    assert "zookeeper_heap_mb" not in output
    assert "ZooKeeper: healthy" in output.rpartition("TASK [Status]")[2], output


def test_trap_53_a_first_run_killed_before_the_first_write_is_finished_by_the_next(world):
    """Everything is in place then but an ensemble: `current` stands, and the markers."""
    world.set(*world.names, **GONE, served=False)
    world.event("before", "zookeeper_quorum", "zk3", hang=True)
    world.event("before", "zookeeper_quorum", "zk1", hang=True)
    world.run_and_kill("zookeeper.yml")
    assert [world.host(name)["served"] for name in world.names] == [False] * 3
    world.set(*world.names, generation="")
    for name in ("zk1", "zk3"):
        world.event("before", "zookeeper_quorum", name, set=serves_from_now_on(world))
    code, output = world.run("zookeeper.yml")
    assert code == 0, output
    assert [world.host(name)["served"] for name in world.names] == [True] * 3


@pytest.mark.long
def test_trap_53_a_live_member_without_a_record_gets_it_after_a_write_and_once(world):
    """An ensemble of a release before, that was rolled in this run; and what is written again by the next."""
    world.set("zk1", "zk3", served=False)
    code, output = world.run("zookeeper.yml")
    assert code == 0, output
    calls = world.calls()
    proof = max(number for number, call in enumerate(calls) if call["args"].get("prove_write"))
    after = [
        (call["host"], [entry["path"] for entry in call["args"]["entries"]])
        for call in calls[proof:]
        if call["module"] == "host_files"
    ]
    assert sorted(after) == [("zk1", ["/etc/zookeeper/served"]), ("zk3", ["/etc/zookeeper/served"])]
    assert not [call for call in calls[:proof] if "/etc/zookeeper/served" in str(call["args"].get("entries", []))]
    world.forget()
    code, output = world.run("zookeeper.yml")
    assert code == 0, output
    assert [call["host"] for call in world.calls("host_files")].count("zk1") == 1
    assert not [paths for paths in written(world).values() if "/etc/zookeeper/served" in paths]


@pytest.mark.long
def test_trap_53_check_records_nothing(world):
    world.set(*world.names, served=False)
    _code, output = world.run("zookeeper.yml", "--check")
    assert "/etc/zookeeper/served" not in str([call["args"] for call in world.calls("host_files")]), output


def test_trap_06_another_set_of_voters_than_the_one_that_runs_is_refused(world):
    lines = "".join(f"server.{number}=zk{number}.invalid:2888:3888:participant;2181\n" for number in (1, 2, 3))
    world.set(*world.names, zoo_cfg=lines)
    for number in (4, 5):
        world.names.append(f"zk{number}")
        world.add(f"zk{number}", number)
        world.set(f"zk{number}", live=False, installed=False, data=False, mode="", generation="", process="")
    code, output = world.run("site.yml")
    assert code != 0, output
    assert "has other voters than the ensemble that runs" in output
    assert "server.4=zk4.invalid" in output
    assert touched(world) == []


def test_trap_29_a_run_that_ends_without_a_quorum_fails(world):
    """All processes run and listen, nothing is to be done, and nobody serves."""
    world.set(*world.names, live=False, mode="")
    code, output = world.run("start.yml")
    assert code != 0, output
    assert "the verdict is lost" in output


def test_trap_32_what_is_installed_is_told_by_the_marker_and_not_by_the_service(world):
    """Nothing answers; the release is there. On one host the marker is of another release, and its service answers."""
    world.set("zk1", "zk2", live=False, mode="")
    world.set("zk3", marker='{"name": "zookeeper", "sha512": "other", "version": "3.9.5"}\n')
    code, output = world.run("zookeeper.yml", "--tags", "install")
    assert code == 0, output
    assert [(call["host"], call["args"]["dest"]) for call in world.calls("release")] == [
        ("zk3", "/opt/zookeeper-3.9.5")
    ]


@pytest.mark.parametrize("tag", ["configure", pytest.param("zookeeper", marks=pytest.mark.long)])
def test_a_tag_takes_its_part_of_the_whole_run_and_the_preflight(world, tag):
    """An include hands its tags on to nothing within it: what judges the hosts would be skipped, and the run refused."""
    _code, output = world.run("site.yml", "--tags", tag)
    assert "Not reached, or refused above" not in output
    assert set(written(world)) == set(world.names), output
    assert bool(world.stepped()) == (tag == "zookeeper"), output
    assert ("It is staged" in output) == (tag == "configure"), output


#: A storage is empty, and the ensemble knows of jobs.
KEPT = {"foreign": False, "cluster_path": "/flink/test", "jobs": ["a" * 32, "b" * 32], "leader": {"address": ""}}


@pytest.mark.parametrize(
    ("jobs", "stored", "switch", "refused"),
    [
        (True, "", "", True),
        pytest.param(True, "/srv/flink/test/blob/x", "", False, marks=pytest.mark.long),
        pytest.param(False, "", "", False, marks=pytest.mark.long),
        pytest.param(True, "", "flink_ha_accept_empty_storage=true", False, marks=pytest.mark.long),
    ],
)
def test_trap_54_a_storage_without_the_files_of_the_jobs_is_refused(world, jobs, stored, switch, refused):
    hosts = {"zk1": {"flink_ha_address": "zk1.invalid"}}  # one host, which has the storage for itself
    world.inventory["all"]["children"] |= {"flink_jobmanager": {"hosts": hosts}, "flink_taskmanager": {"hosts": hosts}}
    world.inventory["all"]["vars"] |= {
        "flink_ha_cluster_id": "/test", "flink_ha_storage_dir": "file:///srv/flink", "flink_ha_storage_shared": True,
        "flink_ha_java_home": "/opt/java", "flink_ha_uid": 1, "flink_ha_gid": 1,
        "flink_ha_archive_sha512": "0" * 128, "flink_ha_bundle_dir": "/nowhere",
    }  # fmt: skip
    if jobs:
        world.event("before", "leader_znode", "zk1", reply=KEPT)
    world.set("zk1", stored=stored)
    _code, output = world.run("flink.yml", *(("-e", switch) if switch else ()))
    commands = [call["args"]["argv"] for call in world.calls("fake_command")]
    looked = [argv for argv in commands if "find" in argv]
    assert len(looked) == jobs, output
    assert all(argv[:4] == ["timeout", "60", "runuser", "--user=flink"] for argv in commands), commands
    assert "rm" in commands[-1], "the proof is removed"
    assert ("keeps 2 job(s)" in output) == refused, output
    started = [call for call in world.calls("fake_systemd_service") if call["args"].get("state") == "started"]
    assert bool(started) == (not refused), output
    if refused:
        assert "zk1: /flink/test in ZooKeeper" in output
        assert "finds no file in /srv/flink" in output
        assert "flink_ha_accept_empty_storage=true" in output


@pytest.mark.parametrize(
    ("stored", "switch"),
    [
        ("", ""),
        pytest.param("s3://bucket/flink/test/blob", "", marks=pytest.mark.long),
        pytest.param("", "accept", marks=pytest.mark.long),
    ],
)
def test_trap_54_a_storage_behind_another_file_system_is_looked_into_too(world, stored, switch):
    """As where flink_ha_storage_dir was changed while a job was kept."""
    with_flink(world, flink_ha_accept_empty_storage=bool(switch))
    world.set("zk1", "zk2", live=False, stored=stored, services={})
    for name in ("zk1", "zk2"):
        world.event("before", "leader_znode", name, reply=KEPT)
    _code, output = world.run("flink.yml")
    proofs = [call["args"] for call in world.calls("storage_proof")]
    # In what it starts with, which names its storage itself.
    (looked,) = [each for each in proofs if each["verb"] == "find"]
    assert looked["generation"] == "/etc/flink/flink-jobmanager/current"
    assert {each["verb"] for each in proofs} == {"write", "read", "remove", "find"}
    refused = not stored and not switch
    assert ("keeps 2 job(s)" in output) == refused, output
    started = [call for call in world.calls("fake_systemd_service") if call["args"].get("state") == "started"]
    assert bool(started) == (not refused), output


@pytest.mark.parametrize(
    ("ran", "leads", "switch", "refused"),
    [
        (False, False, "", "no host of this inventory has run Flink"),
        pytest.param(False, False, "flink_ha_accept_kept_jobs=true", "", marks=pytest.mark.long),
        pytest.param(True, False, "", "", marks=pytest.mark.long),
        pytest.param(False, True, "", "which is no JobManager of this inventory", marks=pytest.mark.long),
    ],
    ids=["jobs", "jobs, accepted", "own jobs", "leader"],
)
def test_trap_74_what_belongs_to_another_cluster_is_refused_and_nothing_stands_in_the_way_of_another_id(
    world, ran, leads, switch, refused
):
    """What a refused first run had switched to would refuse the next one, with another cluster-id."""
    with_flink(world, flink_ha_rest_open=True)
    world.set("zk1", "zk2", live=False, stored="s3://bucket/flink/test/blob", services={}, ran=ran, generation="")
    kept = {**KEPT, "foreign": True, "leader": {"address": "http://other:8081"}} if leads else KEPT
    for name in ("zk1", "zk2"):
        world.event("before", "leader_znode", name, reply=kept)
    code, output = world.run("flink.yml", *(("-e", switch) if switch else ()))
    started = [call for call in world.calls("fake_systemd_service") if call["args"].get("state") == "started"]
    assert bool(started) == (not refused), output
    taken_back = {
        (call["host"], entry["path"])
        for call in world.calls("host_files")
        for entry in call["args"]["entries"]
        if entry.get("state") == "absent" and entry["path"].endswith("/current")
    }
    wanted = {
        (host, f"/etc/flink/flink-{kind}/current") for host in ("zk1", "zk2") for kind in ("jobmanager", "taskmanager")
    }
    assert taken_back == (wanted if refused else set())
    if refused:
        assert code != 0
        assert refused in output


def test_a_tag_stops_flink_alone_where_others_use_the_ensemble(world):
    with_flink(world)
    flink = {"flink-jobmanager.service": 8081, "flink-taskmanager.service": 0}
    world.set("zk1", "zk2", services={"zookeeper.service": 2181, **flink})
    code, output = world.run("stop.yml", "-e", "stop_cluster=true", "--tags", "flink_ha")
    assert code == 0, output
    stopped = {(call["host"], call["args"]["name"]) for call in world.calls("fake_systemd_service")}
    assert stopped == {(host, unit) for host in ("zk1", "zk2") for unit in flink}, output


CANARY = "canary-5b1e"


@pytest.mark.parametrize(
    "inputs",
    [
        {
            "flink_ha_config_extra": {"s3.secret-key": CANARY, "metrics.reporter.x.apikey": f"{CANARY}2"},
            "flink_ha_config_unchecked": ["s3.secret-key", "metrics.reporter.x.apikey"],
        },
        {"flink_ha_storage_credentials": {"s3.x": CANARY, "fs.gs.keyfile": {"content": f"{CANARY}3"}}},
        pytest.param(
            {"flink_ha_java_opts": ["-XX:+ExitOnOutOfMemoryError", f"-Djavax.net.ssl.trustStorePassword={CANARY}"]},
            marks=pytest.mark.long,
        ),
    ],
    ids=["configuration", "credentials", "options for Java"],
)
def test_trap_18_no_secret_is_in_the_output_of_a_verbose_run(world, inputs):
    with_flink(world, **inputs)
    code, output = world.run("flink.yml", "-vvv", "--diff", "--tags", "configure")
    assert code == 0, output
    sent = [entry for call in world.calls("host_files") for entry in call["args"]["entries"]]
    assert CANARY in "".join(str(entry.get("secret_content", "")) for entry in sent), "it is in what was written"
    assert CANARY not in "".join(str(entry.get("content", "")) for entry in sent)
    # Closed as long as they stand there, whatever runs by then.
    assert all(entry.get("mode", "0644").endswith("0") for entry in sent if entry.get("secret_content"))
    assert CANARY not in output


def with_flink(world, **variables):
    """Flink on two of the members, as it was there before this run."""
    hosts = {
        name: {**world.inventory["all"]["children"]["zookeeper"]["hosts"][name], "flink_ha_address": f"{name}.invalid"}
        for name in ("zk1", "zk2")
    }
    world.inventory["all"]["children"] |= {"flink_jobmanager": {"hosts": hosts}, "flink_taskmanager": {"hosts": hosts}}
    world.inventory["all"]["vars"] |= {
        "flink_ha_cluster_id": "/test", "flink_ha_storage_dir": "s3://bucket/flink", "flink_ha_java_home": "/opt/java",
        "flink_ha_archive_url": "https://repo.invalid/flink.tgz", "flink_ha_archive_sha512": "0" * 128, "flink_ha_bundle_dir": "/nowhere",
    } | variables  # fmt: skip


def texts(world, name):
    """What was written into files of this name, by host."""
    return {
        call["host"]: entry["content"]
        for call in world.calls("host_files")
        for entry in call["args"]["entries"]
        if entry["path"].endswith(f"/{name}")
    }


@pytest.mark.parametrize("new", [False, pytest.param(True, marks=pytest.mark.long)])
def test_trap_64_a_cluster_that_is_there_is_warned_of_its_open_rest_and_goes_on(world, new):
    with_flink(world)
    if new:
        world.set("zk1", "zk2", "zk3", generation="", before="")
    code, output = world.run("flink.yml", "--tags", "configure")
    assert (code != 0) is new, output
    assert "zk1: REST on port 8081 listens on 0.0.0.0" in output
    assert "flink_ha_rest_open: true" in output
    assert bool(world.calls("host_files")) is not new


def test_trap_65_flinks_ports_are_closed_to_all_but_its_hosts_and_rest_to_its_networks(world):
    with_flink(world, flink_ha_firewall=True, flink_ha_rest_networks=["198.51.100.0/24", "2001:db8::/32"])
    code, output = world.run("flink.yml", "--tags", "configure")
    assert code == 0, output
    assert "REST on port" not in output
    rules = texts(world, "flink-firewall.nft")
    assert set(rules) == {"zk1", "zk2"}
    assert [line.strip() for line in rules["zk1"].splitlines() if "dport" in line] == [
        "tcp dport { 6121-6126 } ip saddr { 192.0.2.1 } accept",
        "tcp dport { 8081 } ip saddr { 192.0.2.1, 198.51.100.0/24 } accept",
        "tcp dport { 8081 } ip6 saddr { 2001:db8::/32 } accept",
        "tcp dport { 6121-6126, 8081 } tcp flags & (fin | syn | rst | ack) == syn reject with tcp reset",
    ]
    # Beside the ensemble's, which has its own table.
    assert "table inet streamquorum {" not in rules["zk1"]
    started = [call["args"] for call in world.calls("fake_systemd_service")]
    assert {"streamquorum-flink-firewall.service"} == {each["name"] for each in started if "firewall" in each["name"]}


def test_trap_66_only_the_member_itself_goes_to_the_quorums_ports(world):
    code, output = world.run("zookeeper.yml", "--tags", "configure", "-e", "zookeeper_firewall=true")
    assert code == 0, output
    rules = texts(world, "firewall.nft")
    assert set(rules) == set(world.names)
    for text in rules.values():
        _input, _hook, going_out = text.partition("hook output")
        assert [line.strip() for line in going_out.splitlines() if "dport" in line] == [
            'tcp dport { 2888, 3888 } meta skuid { "root", "zookeeper" } accept',
            "tcp dport { 2888, 3888 } tcp flags & (fin | syn | rst | ack) == syn reject with tcp reset",
        ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("playbook", "name", "switch"),
    [
        ("zookeeper.yml", "firewall", "zookeeper_firewall"),
        ("flink.yml", "flink-firewall", "flink_ha_firewall"),
    ],
)
def test_trap_70_rules_that_a_killed_run_did_not_load_are_loaded_by_the_next(world, playbook, name, switch):
    """The stand-in's host_files reports no change, as that of a host does whose rules stand there already."""
    with_flink(world, flink_ha_rest_networks=["198.51.100.0/24"], flink_ha_rest_open=True)
    unit = f"streamquorum-{name}.service"

    def loads(loaded):
        """What is done to the unit on each host, where it is active and these are the rules that it loaded."""
        services = {"zookeeper.service": 2181, "flink-jobmanager.service": 8081, "flink-taskmanager.service": 6122}
        for host, rules in loaded.items():
            world.set(host, services=services | {unit: 0}, files={f"/run/streamquorum/{name}.nft": rules})
        world.forget()
        world.run(playbook, "--tags", "configure", "-e", f"{switch}=true")
        calls = [call for call in world.calls("fake_systemd_service") if call["args"].get("name") == unit]
        return {call["host"]: call["args"]["state"] for call in calls}

    assert set(loads({}).values()) == {"started"}
    wanted = texts(world, f"{name}.nft")
    assert loads(wanted) == {}
    assert loads(wanted | {"zk2": "older"}) == {"zk2": "reloaded"}
    # A unit of before, which kept nothing.
    assert set(loads(dict.fromkeys(wanted, "")).values()) == {"reloaded"}


def test_trap_61_an_upgrade_finds_the_snapshot_behind_a_hundred_logs(world):
    """The stand-in's listing ends with its logs, as that of a host does."""
    world.set("zk1", "zk2", "zk3", release="/opt/zookeeper-3.9.4")
    world.set("zk2", snapshots=[])
    code, output = world.run("zookeeper.yml", "-e", "zookeeper_upgrade=true")
    assert code != 0, output
    assert "zk2: has no snapshot in" in output
    assert "zk1: has no snapshot in" not in output
    assert touched(world) == []


def test_trap_15_a_unit_that_a_killed_run_has_written_is_told_to_systemd(world):
    """Else the service starts, now or after a crash, with the unit of before."""
    world.set("zk1", "zk2", "zk3", live=False, process="", mode="", needs_reload=True)
    _code, output = world.run("start.yml")
    told = [call["args"].get("daemon_reload") for call in world.calls("fake_systemd_service")]
    assert told == [True] * 3, output
