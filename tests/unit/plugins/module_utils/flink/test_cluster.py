"""Services, ports, generations and refusals of Flink, from inventories and host states made by hand."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import generation_digest
from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import restart_file
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import acls, refusals
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import services as flink_services
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import storage as flink_storage

JM_PORTS = {"rest_port": 8081, "rpc_port": "6123", "blob_port": 6124, "metrics_port": 6125}
TM_PORTS = {"rpc_port": 6122, "data_port": 6121, "metrics_port": 6126}
DEFAULTS = {
    "flink_ha_jobmanager_instances": [],
    "flink_ha_taskmanager_instances": [],
    "flink_ha_rest_port": 8081,
    "zookeeper_client_port": 2181,
    "zookeeper_quorum_port": 2888,
    "zookeeper_election_port": 3888,
    "zookeeper_admin_port": 8080,
}


def names(services):
    return [service["unit"] for service in services]


# --- services


def test_one_job_manager_is_the_plain_unit():
    (service,) = flink_services.job_manager_services("jm1", [], JM_PORTS)
    assert service == {
        "kind": "jobmanager",
        "name": "flink-jobmanager",
        "unit": "flink-jobmanager.service",
        "address": "jm1",
        **JM_PORTS,
        "rpc_port": 6123,
    }
    (service,) = flink_services.job_manager_services("jm1", [{"rest_port": 9000}], JM_PORTS)
    assert (service["unit"], service["rest_port"]) == ("flink-jobmanager.service", 9000)


def test_several_are_instances_with_ports_ten_apart_unless_they_name_their_own():
    first, second = flink_services.job_manager_services("jm1", [{"rest_port": 8081}, {"rest_port": 8082}], JM_PORTS)
    assert names([first, second]) == ["flink-jobmanager@1.service", "flink-jobmanager@2.service"]
    assert [first["rest_port"], second["rest_port"]] == [8081, 8082]
    assert (second["rpc_port"], second["blob_port"], second["metrics_port"]) == (6133, 6134, 6135)


def test_another_task_manager_of_a_host_leaves_the_first_as_it_is():
    (alone,) = flink_services.task_manager_services("tm1", [], TM_PORTS)
    first, second = flink_services.task_manager_services("tm1", [{}, {"data_port": 7000}], TM_PORTS)
    assert first == alone
    assert first == {
        "kind": "taskmanager",
        "name": "flink-taskmanager",
        "unit": "flink-taskmanager.service",
        "address": "tm1",
        **TM_PORTS,
    }
    assert second["unit"] == "flink-taskmanager@2.service"
    assert (second["rpc_port"], second["data_port"], second["metrics_port"]) == (6132, 7000, 6136)
    assert set(names([first, second])) <= set(flink_services.possible_units([]))


def test_each_task_manager_of_a_host_is_counted_and_has_a_place_of_its_own_in_a_roll():
    instances = [{}, {}]
    hostvars = {
        "b": {"flink_ha_taskmanager_instances": instances},
        "a": {},
        "c": {"flink_ha_taskmanager_instances": []},
    }
    addresses = flink_services.workers(hostvars, ["c", "b", "a"])
    assert addresses == ["a", "b", "b", "c"]
    ids = []
    for host in ("a", "b", "c"):
        planned = [
            {**service, "root": "/r", "digest": "1" * 16, "live": True}
            for service in flink_services.task_manager_services(host, instances if host == "b" else [], TM_PORTS)
        ]
        unit = {"active": True, "generation": "1" * 16, "process": "1@1"}
        state = {
            "units": {service["unit"]: unit for service in planned},
            "contents": {restart_file(service["unit"]): "" for service in planned},
        }
        ids += [(each["name"], each["id"]) for each in flink_services.members(planned, host, [], addresses, state, 60)]
    assert ids == [("a", 1), ("b", 2), ("b (flink-taskmanager@2)", 3), ("c", 4)]


@pytest.mark.parametrize(
    ("port", "expected"),
    [(6123, 6133), ("6123", 6133), ("6123,6133", "6123,6133"), ("50100-50200", "50100-50200"), ("0", "0"), (0, 0)],
)
def test_a_range_or_a_list_or_any_port_is_shared_by_instances(port, expected):
    assert flink_services.shifted(port, 10) == expected


def test_job_managers_come_from_the_inventory_sorted():
    hostvars = {
        "jm2": {"flink_ha_address": "jm2.example.org"},
        "jm1": {"flink_ha_jobmanager_instances": [{"rest_port": 8082}, {"rest_port": 8081}]},
    }
    found = flink_services.job_managers(hostvars, ["jm2", "jm1"], DEFAULTS)
    assert found == [
        {"name": "jm1", "address": "jm1", "rest_port": 8081},
        {"name": "jm1", "address": "jm1", "rest_port": 8082},
        {"name": "jm2", "address": "jm2.example.org", "rest_port": 8081},
    ]
    assert flink_services.job_managers(hostvars, ["jm1", "jm2"], DEFAULTS) == found


def test_workers_are_sorted():
    hostvars = {"tm2": {}, "tm1": {"flink_ha_address": "a.example.org"}}
    assert flink_services.workers(hostvars, ["tm2", "tm1"]) == ["a.example.org", "tm2"]


# --- ports


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (6123, [6123]),
        ("6123", [6123]),
        ("6123, 6133", [6123, 6133]),
        ("6123-6125", [6123, 6124, 6125]),
        ("0", []),
        ("1,3-4", [1, 3, 4]),
    ],
)
def test_ports_are_one_a_list_or_a_range(text, expected):
    assert flink_services.parse_ports(text) == expected


@pytest.mark.parametrize("text", ["", "a", "1-", "1,,2", None])
def test_what_is_no_port_is_an_error(text):
    with pytest.raises(ValueError, match="invalid literal"):
        flink_services.parse_ports(text)


@pytest.mark.parametrize(
    ("hostvars", "found"),
    [
        ({"zk1": {}, "zk2": {"zookeeper_client_port": 2281}}, 2281),
        # From the command line it comes as a text.
        ({"zk1": {"zookeeper_client_port": "2282"}, "zk2": {}}, 2282),
        ({"zk1": {"zookeeper_secure_client_port": 2283}, "zk2": {}}, 2181),
        ({}, 2181),
    ],
)
def test_an_input_of_the_ensemble_is_that_of_its_own_group(hostvars, found):
    assert flink_services.zookeeper_input(hostvars, list(hostvars), DEFAULTS, "zookeeper_client_port") == found


def test_ports_of_zookeeper_count_on_its_members_only():
    hostvars = {"zk1": {"zookeeper_admin_port": 8081}}
    assert [entry["port"] for entry in flink_services.zookeeper_ports(hostvars, "zk1", ["zk1"], DEFAULTS)] == [
        2181,
        2888,
        3888,
        8081,
    ]
    assert flink_services.zookeeper_ports(hostvars, "jm1", ["zk1"], DEFAULTS) == []


# --- generations and plan

OPTIONS = [
    {
        "name": "slots",
        "keys": {"1.0": "taskmanager.numberOfTaskSlots"},
        "variable": "flink_ha_slots",
        "scopes": ["taskmanager"],
    },
    {
        "name": "rest",
        "keys": {"1.0": "rest.port"},
        "variable": "flink_ha_rest_port",
        "field": "rest_port",
        "scopes": ["jobmanager"],
    },
]
FILES = {"start": {"content": "#!/bin/sh\n", "mode": "0755"}, "unit": {"content": "[Unit]\n", "mode": "0644"}}


def wanted():
    """Services with a generation each, which differ by their ports."""
    services = [
        *flink_services.job_manager_services("h", [{}, {}], JM_PORTS),
        *flink_services.task_manager_services("h", [], TM_PORTS),
    ]
    found = []
    for service in services:
        config = flink_options.resolve(OPTIONS, "2.3.0", service["kind"], {"slots": 1}, service)
        text = flink_options.render("config.yaml", config)
        made = {
            "files": {**FILES, "config.yaml": {"content": text, "mode": "0640"}},
            "links": {"release": "/opt/flink-2.3.0"},
        }
        found.append({**service, "generation": made, "digest": generation_digest(made)})
    return found


def state_of(services, running=None, listening=None, active=True, asked=""):
    """A host on which the services run the generation given by name."""
    return {
        "units": {
            s["unit"]: {
                "exists": active,
                "enabled": active,
                "active": active,
                "needs_reload": False,
                "generation": (running or {}).get(s["name"], ""),
                "process": "100@5" if active else "",
            }
            for s in services
        },
        "contents": {f"/run/streamquorum/{s['unit']}.restart": asked for s in services},
        "paths": {
            path: {"target": target, "entries": entries}
            for s in services
            for path, target, entries in (
                (f"/etc/flink/{s['name']}/current", "generations/old" if active else "", []),
                (f"/etc/flink/{s['name']}/previous", "generations/before" if active else "", []),
                (f"/etc/flink/{s['name']}/generations", "", ["old", "older", "before", s["digest"]] if active else []),
            )
        },
        "listening": [{"unit": unit, "port": port} for unit, port in (listening or [])],
        "resolved": {"h": ["198.18.7.31"]},
    }


def planned(**kwargs):
    services = wanted()
    return flink_services.plan(services, state_of(services, **kwargs), "/etc/flink")


def test_a_fresh_host_starts_everything():
    assert [(s["start"], s["restart_needed"], s["live"]) for s in planned(active=False)] == [(True, False, False)] * 3


CREATOR = [
    "high-availability.zookeeper.client.acl: creator",
    "security.kerberos.login.principal: flink@X",
    "security.kerberos.login.keytab: /etc/flink/flink.keytab",
]
OPEN = ["high-availability.zookeeper.client.acl: open", *CREATOR[1:]]
BECOMES = {"acl": "creator", "keytab": "/etc/flink/new.keytab", "switching": [], "closable": True, "unguarded": False}
BOTH = {"switching": ["flink@X", "new@X"]}


@pytest.mark.parametrize(
    ("lines", "wanted", "serving", "words"),
    [
        ([], {"principal": ""}, True, ""),
        ([], {"principal": "new@X"}, True, "Set flink_ha_zookeeper_acl: open first"),
        ([], {"principal": "new@X"}, False, ""),
        ([], {"principal": "new@X", "acl": "open"}, True, ""),
        (["high-availability.zookeeper.client.acl: open"], {"principal": "", "acl": ""}, True, ""),
        (CREATOR, {"principal": "flink@X"}, True, ""),
        (CREATOR, {"principal": "", "acl": ""}, True, "set flink_ha_zookeeper_acl: open"),
        (CREATOR, {"principal": "", "acl": ""}, False, "set flink_ha_zookeeper_acl: open"),
        (OPEN, {"principal": "", "acl": "open"}, True, ""),
        (CREATOR, {"principal": "new@X"}, True, "flink_ha_switching_principals: [flink@X, new@X]"),
        (OPEN, {"principal": "new@X"}, True, "flink_ha_switching_principals: [flink@X, new@X]"),
        (CREATOR, {"principal": "new@X", "switching": ["new@X"]}, True, "flink_ha_switching_principals"),
        (CREATOR, {"principal": "new@X", **BOTH}, True, ""),
        (CREATOR, {"principal": "new@X"}, False, ""),
        (OPEN, {"principal": "new@X", "acl": "open"}, True, ""),
        (CREATOR, {"principal": "new@X", "closable": False, **BOTH}, True, "no super user of that ensemble"),
        (CREATOR, {"principal": "new@X", "closable": False}, False, "no super user of that ensemble"),
        # Where the keys are lost, and nobody looks at ACLs any more: once nothing runs.
        (CREATOR, {"principal": "", "unguarded": True}, False, ""),
        (CREATOR, {"principal": "", "unguarded": True}, True, "an anonymous client could not read the nodes"),
        (
            CREATOR,
            {"principal": "new@X", "keytab": "/etc/flink/flink.keytab", **BOTH},
            True,
            "of its own: flink_ha_keytab",
        ),
    ],
)
def test_who_flink_is_changes_only_where_nobody_is_left_without_the_nodes(lines, wanted, serving, words):
    found = acls.owner_problems("h", [refusals.settings(lines)] * 2, BECOMES | wanted, serving)
    assert len(found) == (1 if words else 0), found
    assert not words or words in found[0]


def test_the_clusters_own_node_belongs_to_it_and_what_is_above_to_nobody():
    above = [{"scheme": "world", "id": "anyone", "perms": "r"}]
    own = [{"scheme": "sasl", "id": each, "perms": "cdrwa"} for each in ("a@X", "b@X")]
    found = acls.acl_entries("/prod/flink", "/team/orders", ["b@X", "a@X"])
    assert [(each["path"], each["acl"]) for each in found] == [
        ("/prod/flink", above),
        ("/prod/flink/team", above),
        ("/prod/flink/team/orders", own),
    ]
    assert [each.get("below", False) for each in found] == [False, False, True]
    (found,) = acls.acl_entries("/flink", "x", [])
    assert (found["path"], found["acl"]) == ("/flink/x", [{"scheme": "world", "id": "anyone", "perms": "cdrwa"}])


def test_a_node_has_its_acl_from_one_place():
    entries = acls.acl_entries("/flink", "/orders", ["a@X"])
    assert acls.acl_problems(["/", "/kafka", "/flink/order"], entries) == []
    found = acls.acl_problems(["/flink/orders/jobs", "/flink", "/flink/orders"], entries)
    assert len(found) == 3
    assert all("Take it off" in each for each in found)
    assert len(acls.acl_problems(["/flink", "/flink/orders"], acls.acl_entries("/flink", "/orders", []))) == 1


def test_a_live_service_with_another_generation_waits_for_its_restart_and_keeps_what_it_runs():
    services = planned(
        running={"flink-jobmanager@1": "old"}, listening=[("flink-jobmanager@1.service", 8081), ("other.service", 8091)]
    )
    assert [s["restart_needed"] for s in services] == [True, False, False]
    assert [s["start"] for s in services] == [False, True, True]
    digest = services[0]["digest"]
    entries = {entry["path"]: entry for entry in flink_services.entries(services, "flink")}
    assert f"/etc/flink/flink-jobmanager@1/generations/{digest}/config.yaml" in entries
    assert "/etc/flink/flink-jobmanager@1/current" not in entries
    assert "/etc/systemd/system/flink-jobmanager@1.service" not in entries
    assert entries["/etc/flink/flink-jobmanager@2/current"]["target"] == f"generations/{services[1]['digest']}"
    assert entries["/etc/systemd/system/flink-jobmanager@2.service"]["content"] == "[Unit]\n"
    absent = {path for path, entry in entries.items() if entry.get("state") == "absent"}
    assert not any(path.startswith("/etc/flink/flink-jobmanager@1/") for path in absent), "it runs: a step removes them"


def test_a_switch_leaves_the_generation_before_and_the_next_run_finds_nothing_to_remove():
    services = planned()
    root, digest = "/etc/flink/flink-taskmanager", services[2]["digest"]
    done = {entry["path"]: entry for entry in flink_services.entries(services, "flink")}
    assert done[f"{root}/previous"]["target"] == "generations/old"
    assert [path for path, entry in done.items() if path.startswith(root) and entry.get("state") == "absent"] == [
        f"{root}/generations/before",
        f"{root}/generations/older",
    ]
    state = state_of(services, running={service["name"]: service["digest"] for service in services})
    for service in services:
        base = f"/etc/flink/{service['name']}"
        state["paths"][f"{base}/current"]["target"] = f"generations/{service['digest']}"
        state["paths"][f"{base}/previous"]["target"] = "generations/old"
        state["paths"][f"{base}/generations"]["entries"] = ["old", service["digest"]]
    again = flink_services.entries(flink_services.plan(wanted(), state, "/etc/flink"), "flink")
    assert not [entry for entry in again if entry.get("state") == "absent" or entry["path"].endswith("/previous")]
    assert {"path": f"{root}/current", "state": "link", "target": f"generations/{digest}"} in again


def test_a_process_that_comes_up_with_the_wanted_generation_is_left_alone():
    """It does not listen yet, as in a run right after a killed one."""
    digests = {service["name"]: service["digest"] for service in wanted()}
    services = planned(running=digests)
    assert not any(service["start"] or service["restart_needed"] for service in services)


def test_a_process_that_ends_again_and_again_is_started_with_what_was_mended():
    services = planned(running={"flink-taskmanager": "old"})
    assert [(s["start"], s["active"]) for s in services] == [(True, True)] * 3


def test_an_unknown_installation_that_is_live_is_not_restarted_either():
    services = planned(listening=[("flink-taskmanager.service", 6122)])
    assert services[2]["restart_needed"]


@pytest.mark.parametrize(("asked", "needed"), [("100@5\n", True), ("99@5\n", False), ("", False)])
def test_a_restart_that_was_asked_for_is_about_one_process(asked, needed):
    services = wanted()
    running = {s["name"]: s["digest"] for s in services}
    listening = [(s["unit"], flink_services.parse_ports(s[flink_services.MAIN_PORT[s["kind"]]])[0]) for s in services]
    state = state_of(services, running, listening, asked=asked)
    assert {s["restart_needed"] for s in flink_services.plan(services, state, "/etc/flink")} == {needed}


def test_a_process_that_listens_on_another_port_is_live_and_not_started_again():
    (manager,) = [
        s
        for s in planned(listening=[("flink-jobmanager@1.service", 9999)])
        if s["unit"] == "flink-jobmanager@1.service"
    ]
    assert (manager["live"], manager["start"], manager["restart_needed"]) == (True, False, True)


@pytest.mark.parametrize(("running", "refused"), [("8081", False), ("'8081'", False), ("", False), ("8181", True)])
def test_the_port_by_which_a_process_is_asked_is_not_changed_under_it(running, refused):
    service = {"kind": "jobmanager", "unit": "flink-jobmanager.service", "live": True, "rest_port": 8081}
    problems = refusals.moved_problems("h", [service], [{"rest.port": running}])
    assert bool(problems) == refused
    assert not refused or "(flink_ha_rest_port)" in problems[0]
    assert refusals.moved_problems("h", [service | {"live": False}], []) == []


@pytest.mark.parametrize(("owner", "refused"), [("flink", False), ("root", False), ("", False), ("stream", True)])
def test_what_belongs_to_another_user_is_not_taken_from_it(owner, refused):
    problems = refusals.host_problems(given(), STATE | {"paths": {"/var/lib/flink": {"owner": owner}}})
    assert bool(problems) == refused
    assert not refused or "Set flink_ha_user: stream" in problems[0]


@pytest.mark.parametrize(
    ("kind", "storage", "checkpoints", "refused"),
    [
        ("jobmanager", "file:///mnt/ha", "file:///mnt/ha/checkpoints", ""),
        ("taskmanager", "file:///mnt/ha", "file:///mnt/ha/checkpoints", ""),
        ("jobmanager", "file:///new", "file:///new/checkpoints", "flink_ha_storage_dir file:///mnt/ha"),
        ("taskmanager", "file:///new", "file:///new/checkpoints", "flink_ha_checkpoint_dir file:///mnt/ha/checkpoints"),
        # Within what the unit may write to; or where no unit has a say.
        ("taskmanager", "file:///mnt/ha", "file:///mnt/ha/other", ""),
        ("taskmanager", "file:///mnt/ha", "s3://bucket/checkpoints", ""),
        ("taskmanager", "file:///mnt/ha", "file:///mnt/ha-other", "flink_ha_checkpoint_dir file:///mnt/ha/checkpoints"),
    ],
)
@pytest.mark.parametrize("key", flink_storage.CHECKPOINT_KEYS)
def test_the_storage_is_not_moved_under_processes_that_run(kind, key, storage, checkpoints, refused):
    running = [
        {"kind": kind, "high-availability.storageDir": "'file:///mnt/ha'", key: "file:///mnt/ha/checkpoints"},
        {"kind": kind},
    ]
    problems = flink_storage.moved_storage_problems("h", running, storage, checkpoints)
    assert [refused in problem for problem in problems] == ([True] if refused else [])
    assert flink_storage.moved_storage_problems("h", [], storage, checkpoints) == []


# --- storage


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///mnt/flink", "/mnt/flink"),
        ("file:/mnt/flink/", "/mnt/flink"),
        ("file:///", "/"),
        ("file://mnt/flink", ""),
        ("hdfs://ns1/flink", ""),
        ("/mnt/flink", ""),
        ("", ""),
    ],
)
def test_local_path_of_a_storage(uri, path):
    assert flink_storage.storage_path(uri) == path


def test_a_path_within_another_is_covered_by_it():
    uris = ["file:///a/b/checkpoints", "file:///a/b", "hdfs://ns1/x", "file:///a/bc", "file:///a/b"]
    assert flink_storage.local_paths(uris) == ["/a/b", "/a/bc"]


# --- refusals

RELEASE = {"version": "2.3.0", "config_file": "config.yaml", "java": {"min": 11, "max": 21}}


def given(**changes):
    """What an inventory that is fine gives on jm1, with changes."""
    services = flink_services.job_manager_services("jm1", [], JM_PORTS)
    return {
        "host": "jm1",
        "groups": {"flink_jobmanager": ["jm1", "jm2"], "flink_taskmanager": ["tm1"], "zookeeper": ["zk1"]},
        "play_hosts": ["jm1", "jm2", "tm1"],
        "addresses": ["jm1", "jm2", "zk1"],
        "defaults": DEFAULTS,
        "release": RELEASE,
        "releases": [RELEASE],
        "options": OPTIONS,
        "open_options": [],
        "known_options": "heartbeat.timeout 1.13 2.3",
        "values": {"slots": 1},
        "quorum": "zk1:2181,zk2:2181",
        "services": services,
        "zookeeper_ports": [],
        "session_timeout": 8000,
        "ensemble_silence": 6000,
        "java": {"home": "/usr/lib/jvm/17", "major": 17, "package": "", "installed": True},
        "flink_ha_version": "2.3.0",
        "flink_ha_cluster_id": "/orders",
        "flink_ha_zookeeper_path_root": "/flink",
        "flink_ha_home_dir": "/var/lib/flink",
        "flink_ha_storage_dir": "hdfs://ns1/flink",
        "flink_ha_checkpoint_dir": "hdfs://ns1/flink/checkpoints",
        "flink_ha_savepoint_dir": "hdfs://ns1/flink/savepoints",
        "flink_ha_storage_shared": False,
        "flink_ha_config_extra": {},
        "flink_ha_storage_credentials": {},
        "flink_ha_config_unchecked": [],
        "flink_ha_address": "jm1",
        "flink_ha_rest_port": 8081,
        "flink_ha_jobmanager_instances": [],
        "flink_ha_taskmanager_instances": [],
        "flink_ha_user": "flink",
        "flink_ha_uid": 6123,
        "flink_ha_gid": 6123,
        **changes,
    }


HOSTVARS = {"jm1": {}, "jm2": {}, "tm1": {}}
STATE = {
    "units": {"flink-jobmanager.service": {"exists": True}, "flink-jobmanager@1.service": {"exists": False}},
    "accounts": {"flink": {"exists": True, "uid": 6123, "gid": 6123}},
    "paths": {"/var/lib/flink": {"owner": "flink"}},
    "listening": [],
    "resolved": {"jm1": ["198.18.7.21"], "jm2": ["198.18.7.22"], "zk1": ["198.18.7.11"]},
}


def test_a_good_inventory_and_host_are_taken():
    assert refusals.flink_problems(given(), HOSTVARS) == []
    assert refusals.host_problems(given(), STATE) == []


FILE = {
    f"flink_ha_{name}_dir": f"file:///mnt/flink{path}"
    for name, path in (("storage", ""), ("checkpoint", "/c"), ("savepoint", "/s"))
}


def test_a_shared_local_storage_is_taken():
    assert refusals.host_problems(given(**FILE, flink_ha_storage_shared=True), STATE) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"groups": {"flink_jobmanager": [], "flink_taskmanager": ["jm1"], "zookeeper": []}}, ["group flink_jobmanager", "at least two"]),
        ({"flink_ha_version": "1.9.0"}, ["flink_ha_version is '1.9.0'", "Known: 2.3.0"]),
        ({"flink_ha_cluster_id": ""}, ["flink_ha_cluster_id is missing", "/orders"]),
        ({"flink_ha_cluster_id": "a b"}, ["flink_ha_cluster_id is 'a b'"]),
        ({"flink_ha_cluster_id": "/a/../b"}, ["flink_ha_cluster_id is '/a/../b'"]),
        ({"flink_ha_cluster_id": "/a//b"}, ["flink_ha_cluster_id is"]),
        ({"flink_ha_zookeeper_path_root": "flink"}, ["flink_ha_zookeeper_path_root is 'flink'"]),
        ({"quorum": ""}, ["flink_ha_zookeeper_quorum is empty", "group zookeeper"]),
        ({"quorum": "zk1:2181,zk2"}, ["flink_ha_zookeeper_quorum has 'zk2'"]),
        ({"quorum": "zk1:2181/chroot"}, ["flink_ha_zookeeper_path_root"]),
        ({"flink_ha_storage_dir": ""}, ["flink_ha_storage_dir is missing"]),
        ({"flink_ha_storage_dir": "/mnt/flink"}, ["flink_ha_storage_dir is '/mnt/flink', without a scheme"]),
        ({"flink_ha_storage_dir": "file:///mnt/flink"}, ["flink_ha_storage_shared: true"]),
        ({"flink_ha_checkpoint_dir": "file:///mnt/flink"}, ["flink_ha_checkpoint_dir is file", "flink_ha_storage_shared: true"]),
        ({"flink_ha_storage_dir": "file://mnt/flink", "flink_ha_storage_shared": True}, ["file:///absolute/path"]),
        ({"flink_ha_storage_dir": "file:///mnt/../tmp", "flink_ha_storage_shared": True}, ["file:///absolute/path"]),
        ({"flink_ha_storage_dir": "file:///tmp/flink", "flink_ha_storage_shared": True}, ["lies in /tmp"]),
        ({"flink_ha_savepoint_dir": ""}, ["flink_ha_savepoint_dir is missing"]),
        ({"flink_ha_address": "0.0.0.0"}, ["jm1: flink_ha_address"]),
        ({"flink_ha_address": "jm_1"}, ["jm1: flink_ha_address"]),
        ({"flink_ha_rest_port": 8099}, ["jm1: flink_ha_rest_port", "inventory"]),
        ({"flink_ha_jobmanager_instances": [{}]}, ["jm1: flink_ha_jobmanager_instances", "inventory"]),
        ({"flink_ha_config_extra": {"rest.port": 1}}, ["rest.port belongs to flink_ha_rest_port"]),
        ({"flink_ha_config_extra": {"heartbeat.timeot": 1}}, ["Did you mean heartbeat.timeout?"]),
        ({"values": {"slots": "a\nb"}}, ["flink_ha_slots has a line break"]),
        ({"play_hosts": ["jm1"]}, ["--limit leaves out jm2"]),
        ({"session_timeout": 8000, "ensemble_silence": 8000}, ["flink_ha_zookeeper_session_timeout is 8000 ms", "Lower zookeeper_sync_limit"]),
        ({"zookeeper_ports": [{"port": 8081, "what": "zookeeper_admin_port"}]}, ["jm1: port 8081", "flink_ha_rest_port", "zookeeper_admin_port"]),
    ],
)  # fmt: skip
def test_refusals_of_the_inventory_name_variable_and_remedy(changes, words):
    problems = refusals.flink_problems(given(**changes), HOSTVARS)
    assert any(all(word in problem for word in words) for problem in problems), problems


def services(**ports):
    return {"services": flink_services.job_manager_services("jm1", [], JM_PORTS | ports)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (services(blob_port=8081), ["jm1: port 8081", "flink_ha_rest_port", "flink_ha_blob_port"]),
        (services(rpc_port="6120-6130"), ["jm1: port 6124", "flink_ha_jobmanager_rpc_port", "flink_ha_blob_port"]),
        (services(rest_port=0), ["flink_ha_rest_port is 0"]),
        (services(rest_port=70000), ["70000"]),
        (services(rpc_port="many"), ["jm1: a port is no number"]),
    ],
)
def test_refusals_of_ports(changes, words):
    problems = refusals.flink_problems(given(**changes), HOSTVARS)
    assert any(all(word in problem for word in words) for problem in problems), problems


def test_any_rpc_port_may_be_asked_for():
    assert refusals.host_problems(given(**services(rpc_port="0")), STATE) == []


def test_task_managers_may_be_limited():
    limited = given(
        host="tm1",
        play_hosts=["tm1"],
        flink_ha_address="tm1",
        services=flink_services.task_manager_services("tm1", [], TM_PORTS),
    )
    assert refusals.flink_problems(limited, HOSTVARS) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("accounts", "flink", "uid"), ["jm1: the user flink has uid 999", "flink_ha_uid is 6123"]),
        (("resolved", "jm2"), ["jm1: does not resolve jm2"]),
    ],
)
def test_refusals_of_the_host(change, words):
    state = copy.deepcopy(STATE)
    target = state
    for step in change[:-1]:
        target = target[step]
    target[change[-1]] = 999 if change[-1] == "uid" else []
    problems = refusals.host_problems(given(**FILE, flink_ha_storage_shared=True), state)
    assert any(all(word in problem for word in words) for problem in problems), problems


def test_numbers_of_the_user_matter_on_shared_files_only():
    state = STATE | {"accounts": {"flink": {"exists": True, "uid": 999, "gid": 999}}}
    assert refusals.host_problems(given(), state) == []


def test_a_name_on_loopback_is_refused_where_others_must_reach_it():
    state = STATE | {"resolved": STATE["resolved"] | {"jm1": ["127.0.1.1"]}}
    (problem,) = refusals.host_problems(given(), state)
    assert "resolves jm1 to loopback (127.0.1.1)" in problem
    alone = given(addresses=["jm1"], groups={"flink_jobmanager": ["jm1"], "flink_taskmanager": [], "zookeeper": []})
    assert refusals.host_problems(alone, state) == []


def test_java_and_ports_in_use_are_judged_on_the_host():
    state = STATE | {"listening": [{"address": "0.0.0.0", "port": 8081, "pid": 7, "unit": "nginx.service"}]}
    problems = refusals.host_problems(given(java={"home": "/j", "major": 8, "package": "", "installed": True}), state)
    assert ["Java 8" in problems[0], "flink_ha_java_home" in problems[0]] == [True, True]
    assert "port 8081 (flink_ha_rest_port) is in use by nginx.service" in problems[1]


def test_a_unit_of_an_earlier_inventory_is_refused():
    state = STATE | {"units": STATE["units"] | {"flink-jobmanager@1.service": {"exists": True}}}
    (problem,) = refusals.host_problems(given(), state)
    assert "jm1: has flink-jobmanager@1.service" in problem
    assert "systemctl disable --now flink-jobmanager@1.service" in problem
    assert "flink-jobmanager@1.service" in flink_services.possible_units(given()["services"])


def test_our_own_service_on_its_port_is_no_problem():
    state = STATE | {"listening": [{"address": "0.0.0.0", "port": 8081, "pid": 7, "unit": "flink-jobmanager.service"}]}
    assert refusals.host_problems(given(), state) == []


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["high-availability.cluster-id: /a"], {"cluster-id": "/a"}),
        (['high-availability.cluster-id: "/a"'], {"cluster-id": "/a"}),
        (["x.tolerate-suspended-connections: true"], {"tolerate-suspended-connections": "true"}),
        ([], {}),
    ],
)
def test_settings_by_the_last_part_of_their_key(lines, found):
    assert refusals.settings(lines) == found


def test_another_cluster_id_than_the_one_that_runs_is_refused():
    found = [{"cluster-id": "/a", "root": "/flink", "type": "zookeeper"}, {"cluster-id": "a", "mode": "ZOOKEEPER"}]
    assert refusals.place_problems("h", found, "/a", "/flink") == []
    (problem,) = refusals.place_problems("h", found, "/b", "/flink")
    assert "set flink_ha_cluster_id: /a" in problem
    (problem,) = refusals.place_problems("h", found, "/a", "/streaming")
    assert "set flink_ha_zookeeper_path_root: /flink" in problem
    # Of somebody else, who left it to Flink.
    (problem,) = refusals.place_problems("h", [{"high-availability": "zookeeper"}], "/a", "/flink")
    assert "set flink_ha_cluster_id: /default" in problem
    assert refusals.place_problems("h", [{"port": "8081"}], "/a", "/flink") == [], "nothing of it is in ZooKeeper"
    # Its name of before Flink 1.2, which later ones read too.
    named = refusals.settings(["high-availability.zookeeper.path.namespace: /a", "recovery.mode: zookeeper"])
    assert refusals.place_problems("h", [named], "a", "/flink") == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["high-availability.type: zookeeper"], ""),
        (["high-availability: zookeeper"], ""),
        (["recovery.mode: zookeeper", "rest.port: 8081"], ""),
        (["rest.port: 8081"], "without high availability"),
        (["high-availability.type: NONE"], "without high availability"),
        ([], "its configuration was not found"),
    ],
)
def test_trap_72_what_somebody_else_set_up_is_taken_over_where_it_is_known(lines, words):
    service = {"unit": "flink-jobmanager.service", "root": "/etc/flink/x", "live": True, "running": ""}
    read = {
        "/etc/flink/x/current/config.yaml": lines,
        "/etc/flink/y/current/config.yaml": ["high-availability: zookeeper"],
    }
    told = refusals.foreign_problems("h", [service], read)
    assert [words in problem for problem in told] == ([True] if words else [])
    for ours in ({"live": False}, {"running": "digest"}):
        assert refusals.foreign_problems("h", [service | ours], read) == []


def test_the_same_servers_and_places_however_they_are_written():
    live = [{"kind": "jobmanager", "high-availability.zookeeper.storageDir": "/shared/flink/"}]
    assert flink_storage.moved_storage_problems("h", live, "file:///shared/flink", "file:///cp") == []
    (problem,) = flink_storage.moved_storage_problems("h", live, "file:///shared/other", "file:///cp")
    assert "runs with flink_ha_storage_dir file:///shared/flink" in problem
    assert refusals.ensemble_problems("h", [{"quorum": "zk1,ZK2"}], "zk2:2181,zk3:2181", True) == []
    (problem,) = refusals.ensemble_problems("h", [{"quorum": "zk1,zk2"}], "zk3:2181", True)
    assert "of which it knows no server" in problem
    worker = {"kind": "taskmanager", "unit": "u", "live": True, "rpc_port": 6122}
    assert refusals.moved_problems("h", [worker], [{"taskmanager.rpc.port": "0"}]) == []
    manager = {"kind": "jobmanager", "unit": "u", "live": True, "rest_port": 8081}
    (problem,) = refusals.moved_problems("h", [manager], [{"rest.port": "0"}])
    assert "u runs with rest.port 0, and is to have 8081" in problem


@pytest.mark.parametrize(
    ("before", "after", "serving", "refused"),
    [
        ("zk1:2181,zk2:2181", "zk2:2281,zk3:2281", True, False),
        ("zk1:2181,zk2:2181", "other1:2181", True, True),
        ("zk1:2181,zk2:2181", "other1:2181", False, False),
        ("", "other1:2181", True, False),
        # Old names beside new ones, once.
        ("192.0.2.1:2181", "192.0.2.1:2181,zk1.example.org:2181", True, False),
        ("192.0.2.1:2181, ZK1.example.org:2181", "zk1.example.org:2181", True, False),
    ],
)
def test_a_live_cluster_is_not_led_to_another_ensemble(before, after, serving, refused):
    problems = refusals.ensemble_problems("h", [{"quorum": before}, {}], after, serving)
    assert bool(problems) == refused, problems


@pytest.mark.parametrize(
    ("wanted", "words"), [("1.20.5", ""), ("2.3.0", "savepoint of every job"), ("1.19.3", "savepoint")]
)
def test_flink_is_rolled_only_within_what_was_tested(wanted, words):
    problems = refusals.upgrade_problems(
        "1.20.4", "h", wanted, [{"from": "1.20", "to": "1.20", "tested": ""}], True, False
    )
    assert bool(problems) == bool(words)
    assert all(words in problem for problem in problems)


def test_another_minor_release_of_flink_is_for_a_cluster_that_is_down():
    pairs = [{"from": "1.20", "to": "1.20", "tested": ""}]
    assert refusals.upgrade_problems("1.20.4", "h", "2.3.0", pairs, True, True) == []
    assert "upgrade.yml" in refusals.upgrade_problems("1.20.4", "h", "2.3.0", pairs, False, True)[0]
    assert "stop.yml" in refusals.mixed_problems("1.20.4", "h", "2.3.0", True)[0]
    assert refusals.mixed_problems("1.20.4", "h", "2.3.0", False) == []
    assert refusals.mixed_problems("1.20.4", "h", "1.20.5", True) == []


def test_members_as_a_roll_sees_them():
    services = planned(listening=[("flink-taskmanager.service", 6122)], active=True)
    state = state_of(services)
    managers = [
        {"address": service["address"], "rest_port": flink_services.parse_ports(service["rest_port"])[0]}
        for service in services
        if service["kind"] == "jobmanager"
    ]
    found = flink_services.members(services, "host", managers, ["another", services[-1]["address"]], state, 60)
    assert [member["kind"] for member in found] == [service["kind"] for service in services]
    last = found[-1]
    assert (last["name"], last["id"], last["ports"]) == ("host", 2, [6122])
    assert last["process"] == ("100@5" if last["live"] else "")
    assert found[0]["desired"] == services[0]["digest"]


def test_a_task_manager_that_somebody_else_set_up_is_known_by_whatever_it_listens_on():
    listening = [("flink-taskmanager.service", 35227), ("flink-taskmanager.service", 45487), ("sshd.service", 22)]
    services = [each for each in planned(listening=listening) if each["kind"] == "taskmanager"]
    (one,) = flink_services.members(services, "host", [], ["h"], state_of(services, listening=listening), 60)
    assert one["known_as"] == ["h:35227", "h:45487", "198.18.7.31:35227", "198.18.7.31:45487"]
    own = state_of(services, {"flink-taskmanager": "digest"}, listening)
    (one,) = flink_services.members(services, "host", [], ["h"], own, 60)
    assert one["known_as"] == [], "ours has the port and the name of the inventory"


@pytest.mark.parametrize(
    ("version", "release", "refused"),
    [
        # As its archive has it, with a client of 3.4.
        ("1.14.6", "3.4.14", False),
        ("1.15.4", "3.4.14", True),
        ("2.3.0", "3.4.6", True),
        ("2.3.0", "3.5.10", False),
        ("2.3.0", "", False),
        ("no release", "3.4.14", False),
    ],
)
def test_servers_that_are_too_old_for_a_release_of_flink_are_refused(version, release, refused):
    assert bool(refusals.release_problems("jm1", {"zk1:2181": release}, version)) == refused
