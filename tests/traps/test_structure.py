"""Traps that no playbook or role may contain, whatever it is for: read from their structure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import decisions as rolling
from traps.world import ROOT

PLAYBOOKS = [*sorted((ROOT / "playbooks").glob("*.yml")), *sorted((ROOT / "playbooks/phases").glob("*.yml"))]
TASK_FILES = [*sorted((ROOT / "roles").glob("*/tasks/**/*.yml")), *sorted((ROOT / "playbooks/tasks").glob("*.yml"))]
SECTIONS = ("block", "rescue", "always")
PLAY_SECTIONS = ("pre_tasks", "tasks", "post_tasks", "roles", "handlers")


def role_of(path: Path) -> str:
    """The role, or the folder of the playbooks, that a file of tasks is of."""
    return path.relative_to(ROOT).parts[-path.parts[::-1].index("tasks") - 2]


def load(path: Path) -> list[dict[str, Any]]:
    return yaml.safe_load(path.read_text()) or []


def plays() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every play, with a name for messages."""
    for path in PLAYBOOKS:
        for play in load(path):
            if "hosts" in play:
                yield f"{path.name}: {play['name']}", play


def walk(tasks: list[dict[str, Any]], outer: tuple[str, ...] = ()) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Every task and block below, with the conditions of the blocks around it."""
    for task in tasks:
        yield task, outer
        for section in SECTIONS:
            yield from walk(task.get(section, []), (*outer, *conditions(task)))


def conditions(task: dict[str, Any]) -> tuple[str, ...]:
    given = task.get("when", [])
    return tuple(str(each) for each in (given if isinstance(given, list) else [given]))


def tasks() -> Iterator[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """Every task of the tree, with a name for messages and the conditions around it."""
    for path in TASK_FILES:
        for task, outer in walk(load(path)):
            yield f"{role_of(path)}/{path.name}: {task.get('name')}", task, outer
    for name, play in plays():
        for section in PLAY_SECTIONS:
            for task, outer in walk(play.get(section, [])):
                yield f"{name}: {task.get('name')}", task, outer


def strings(value: Any) -> Iterator[str]:
    """Every text in a structure, keys too."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    else:
        yield str(value)


def test_trap_01_02_14_no_play_or_task_has_a_serial_of_its_own():
    """An operator cannot ask for two voters at a time, and Ansible's own batches are no rolling tool."""
    for name, thing in [*plays(), *((name, task) for name, task, _outer in tasks())]:
        assert not set(thing) & {"serial", "throttle", "max_fail_percentage", "strategy", "order"}, name


def test_trap_02_no_input_sets_how_many_voters_go_at_once():
    for path in (ROOT / "roles").glob("*/defaults/main.yml"):
        for name in load(path):
            assert not re.search(r"(^|_)(serial|parallel|throttle|max_fail)(_|$)|zookeeper.*batch", name), name


def test_trap_02_voters_go_one_at_a_time_whatever_number_is_allowed():
    members = [rolling.Member(f"zk{i}", i, rolling.READY, "old", "new", leads=i == 5) for i in range(1, 6)]
    steps = rolling.plan(rolling.View(members, serves=True), rolling.Policy(batch=3))
    assert [step.members for step in steps] == [("zk1",), ("zk2",), ("zk3",), ("zk4",), ("zk5",), ()]


def last_of(section: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """What a section ends with, seen through the file that it includes."""
    task = section[-1]
    included = task.get("ansible.builtin.include_tasks")
    return last_of(load(folder / included), folder) if included else task


#: A rescue that does not end in a failure, and why the run does not go on blindly.
DECIDED_LATER = {
    "rolling/wait.yml: Wait": "the next decision mends those that did not come, or stops with the reason",
    "rolling/await_jobs.yml: Wait for the jobs that ran before": "stops unless rolling_accept_unhealthy_jobs, and says so",
    "rolling/await_jobs.yml: Wait for a checkpoint of those that had one": "the same",
}


def test_trap_03_a_rescue_ends_in_a_failure():
    found = set()
    for path in TASK_FILES:
        for task, _outer in walk(load(path)):
            name = f"{role_of(path)}/{path.name}: {task.get('name')}"
            if "rescue" in task and name not in DECIDED_LATER:
                assert "ansible.builtin.fail" in last_of(task["rescue"], path.parent), name
            found |= {name} if "rescue" in task else set()
    assert set(DECIDED_LATER) < found


def test_trap_03_failures_are_not_ignored():
    """`failed_when: false` only where the result is judged by what follows, or collected for a failure that is told."""
    judged = {
        "flink_ha/prove.yml", "flink_ha/status.yml", "zookeeper/status.yml", "rolling/diagnostics.yml",
        # A leader that could not be read stops the roll; only an ensemble that nobody can ask is rolled all the same, and says so.
        "rolling/leaders_before.yml", "rolling/read_leaders.yml",
        # Told in the list of what is left.
        "flink_ha/uploads.yml",
    }  # fmt: skip
    for name, task, _outer in tasks():
        assert "ignore_errors" not in task, name
        assert task.get("failed_when") is not False or name.split(":")[0] in judged, name


#: Plays over hosts that change nothing; a host that fails there must not take the word from the others.
READ_ONLY = {
    "status.yml: (1/4) ZooKeeper", "status.yml: (2/4) Flink", "status.yml: (3/4) Hosts", "report.yml: Result",
    # Asks hosts that need not answer: what follows has its own count of those that did.
    "preflight.yml: Hosts that the run may go on without",
}  # fmt: skip


@pytest.mark.parametrize(("name", "play"), plays(), ids=lambda value: value if isinstance(value, str) else "")
def test_trap_04_a_failure_of_one_host_stops_all_hosts(name, play):
    if play["hosts"] != "localhost" and name not in READ_ONLY:
        assert play.get("any_errors_fatal") is True, name


@pytest.mark.parametrize("playbook", ["site.yml", "rolling_restart.yml", "upgrade.yml", "start.yml", "stop.yml"])
def test_trap_04_38_what_changes_a_cluster_begins_with_the_preflight_of_all_hosts(playbook):
    imports = [play.get("ansible.builtin.import_playbook") for play in load(ROOT / "playbooks" / playbook)]
    first = imports.index("phases/preflight.yml")
    assert not any(imports[:first])
    for play in load(ROOT / "playbooks" / playbook)[:first]:
        assert all("ansible.builtin.assert" in task for task in play["tasks"]), (
            "only the run's own switches come before"
        )
    preflight = load(ROOT / "playbooks/phases/preflight.yml")
    assert preflight[0]["ansible.builtin.import_playbook"] == "check_inventory.yml"
    assert "__preflight_missing" in str(preflight[-1]["tasks"]), "a host that was dropped is found out"


def test_trap_04_no_host_counts_as_judged_before_what_only_some_hosts_have_is():
    """The next play may lose a host; then the run has to end before the ensemble is changed."""

    def imports(name):
        return [
            (task.get("ansible.builtin.import_tasks"), task.get("when"))
            for task in load(ROOT / "roles/flink_ha/tasks" / name)
        ]

    first, second = imports("inspect.yml"), imports("special.yml")
    alone = "__flink_ha_planned.special | length == 0"
    assert [each for each in first if each[0] in ("refuse.yml", "note.yml")] == [
        ("refuse.yml", alone),
        ("note.yml", alone),
    ]
    assert [each for each in second if each[0]] == [("refuse.yml", None), ("note.yml", None)]
    assert second[-1][0] == "note.yml"


def test_a_run_that_only_stops_looks_at_no_key_and_makes_no_certificate():
    """An expired certificate on the controller would keep the cluster from being stopped."""
    files = ("credentials.yml", "certificates.yml")
    includes = [(task, str(task.get("ansible.builtin.include_tasks"))) for _name, task, _outer in tasks()]
    found = [task for task, included in includes if any(file in included for file in files)]
    assert len(found) == 3
    assert all("_only_stops | bool" in str(task["when"]) for task in found)


def test_trap_37_what_refuses_a_run_is_not_left_out_by_a_limit():
    """`--limit` takes localhost away, with every check that stands in a play of its own there."""
    for name, play in plays():
        if play.get("tasks") and all("ansible.builtin.assert" in task for task in play["tasks"]):
            assert play["hosts"] != "localhost", name


#: Where the hosts of the play are asked for: to refuse a part of a group, and to tell what was seen.
MAY_ASK_FOR_PLAY_HOSTS = {
    "playbooks/phases/preflight.yml", "playbooks/phases/report.yml", "plugins/action/flink_plan.py", "plugins/plugin_utils/flink/judgement.py",
    "plugins/plugin_utils/flink/yarn/judgement.py",
    "plugins/action/zookeeper_plan.py", "plugins/plugin_utils/zookeeper/judgement.py",
    # Whoever lacks the release needs its sum.
    "plugins/action/published_sum.py",
    # One after the other.
    "roles/common/tasks/adopt.yml",
}  # fmt: skip


def test_trap_11_nothing_that_is_rendered_comes_from_the_hosts_of_the_play():
    folders = ("roles", "playbooks", "plugins/action", "plugins/plugin_utils")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in files:
        if path.suffix not in (".yml", ".py"):
            continue
        asks = (
            r"\b(ansible_)?play_(hosts|batch)" if path.suffix == ".yml" else r"ansible_play_(hosts|batch)|\.play_hosts"
        )
        lines = [line for line in path.read_text().splitlines() if re.search(asks, line)]
        if str(path.relative_to(ROOT)) in MAY_ASK_FOR_PLAY_HOSTS:
            assert all(
                re.search(
                    r'limit_problems|play_hosts: |"play_hosts": |__preflight_hosts: |leaders\(|loop: "{{ ansible_play_hosts }}"|variables\["ansible_play_hosts(_all)?"\]',
                    line,
                )
                for line in lines
            ), path
        else:
            assert lines == [], path


def test_trap_12_nothing_needs_facts_that_another_host_may_not_have():
    for name, play in plays():
        assert play.get("gather_facts") is False, name
    for path in [*(ROOT / "roles").rglob("*.yml"), *PLAYBOOKS]:
        text = path.read_text()
        assert not re.search(r"ansible_(facts|fqdn|hostname|nodename|default_ipv[46]|all_ipv[46])", text), path
        assert not re.search(r"builtin\.(setup|gather_facts)", text), path


def test_trap_13_35_no_handler_and_nothing_that_runs_is_restarted_in_a_play_over_hosts():
    """A role restarts only what systemd starts again and again, where no member runs; all else is a step of a roll."""
    assert list((ROOT / "roles").glob("*/handlers")) == []
    for name, play in plays():
        assert "handlers" not in play, name
    for name, task, outer in tasks():
        assert "notify" not in task, name
        service = task.get("ansible.builtin.systemd_service") or {}
        if service.get("name") == "{{ common_firewall.unit }}":
            continue  # rules of the kernel, and no process
        if service.get("name") == "{{ __flink_ha_plan.steps.application.unit }}":
            continue  # only watches what is YARN's
        state = service.get("state", "")
        assert state in ("", "started", "stopped") or name.split(":")[0] in {
            "zookeeper/service.yml", "flink_ha/service.yml",
        }, name  # fmt: skip
        if "restarted" in state:
            guarded = " ".join([*conditions(task), *outer, str(task.get("loop", ""))])
            assert "not __zookeeper_live" in guarded or "selectattr('start')" in guarded, name
        if state == "stopped":
            assert name.split(":")[0].endswith("/stop.yml"), name


def test_trap_14_36_a_step_is_one_file_that_is_included_by_a_play_on_the_controller():
    (roll,) = load(ROOT / "playbooks/phases/roll.yml")
    assert roll["hosts"] == "localhost"
    assert not set(roll) & {"connection", "any_errors_fatal", "become"}
    steps = [
        (path.name, task)
        for path in TASK_FILES
        for task, _outer in walk(load(path))
        if "streamquorum.ha.service_step" in task
    ]
    assert {name for name, _task in steps} == {"apply_step.yml"}
    assert all("run_once" not in task and task["delegate_to"].startswith("{{ item") for _name, task in steps)


def test_trap_36_a_play_that_delegates_leaves_the_connection_to_the_hosts():
    """`connection: local` at a play holds for what it delegates too: every step would be made on the controller."""
    for name, play in plays():
        if "connection" in play:
            inside = [task for section in PLAY_SECTIONS for task, _outer in walk(play.get(section, []))]
            assert not [task for task in inside if "delegate_to" in task], name
            assert not [task for task in inside if "ansible.builtin.include_role" in task or "role" in task], name
    for name, task, _outer in tasks():
        assert "connection" not in task, name


#: Where a host that cannot be reached does not matter: a majority holds the lock, diagnostics are what there is, and what is
#: cleaned up after a failure must not hide it.
NOT_NEEDED = {"rolling/lock.yml", "rolling/diagnostics.yml", "rolling/roll.yml", "rolling/probe_collect.yml"}


def test_trap_36_an_unreachable_host_is_passed_over_only_where_its_answer_is_not_needed():
    """Elsewhere the next task asks for it."""
    every = list(tasks())
    for (name, task, _outer), (_name, following, _around) in pairwise([*every, ("", {}, ())]):
        if task.get("ignore_unreachable") and name.split(":")[0] not in NOT_NEEDED:
            assert "unreachable" in str(following), name


#: What the condition of a task that runs once may ask: the same on every host of the play.
SAME_EVERYWHERE = {
    "ansible_check_mode", "__flink_ha_starting", "__zookeeper_any_live",
    "__zookeeper_all_live", "__zookeeper_to_roll",
    # Inputs of a whole ensemble or cluster, and what is derived from the facts of all its hosts.
    "zookeeper_acls", "length", "__zookeeper_settled", "__zookeeper_loses_identities", "zookeeper_noted", "is", "defined",
    # Registered by itself, for all hosts of the play.
    "__variables_judged", "__inventory_judged",
    # An input of the run, and the group that its preflight made of it.
    "__preflight_accepted", "__streamquorum_unreached",
    "__flink_ha_acls_kept", "__flink_ha_all_read", "__flink_ha_ensemble_settled", "__zookeeper_locked_problems",
    "flink_ha_zookeeper_auth", "flink_ha_kerberos_contexts", "kerberos",
    # A cluster, of a loop over all of them.
    "item", "serving", "__flink_ha_missing",
    # Registered by a task that runs once: the plans of all hosts.
    "__zookeeper_asked_of", "__zookeeper_planned", "__flink_ha_asked_of", "__flink_ha_planned", "problems", "special",
    # Of the playbook.
    "zookeeper_only_stops", "flink_ha_only_stops", "bool",
}  # fmt: skip
#: They plan all hosts of the play, whichever of them comes to these files.
PLANS = {"flink_ha/plan.yml", "flink_ha/refuse.yml", "flink_ha/seen.yml"}


def run_once() -> Iterator[Any]:
    """Tasks that run once, with their conditions and those of the include of their file."""
    includes: dict[str, list[str]] = {}
    for name, task, outer in tasks():
        given = task.get("ansible.builtin.include_tasks") or task.get("ansible.builtin.import_tasks")
        file = given.get("file") if isinstance(given, dict) else given
        if file:
            includes.setdefault(f"{name.split('/')[0]}/{Path(file).name}", []).extend([*conditions(task), *outer])
    for name, task, outer in tasks():
        if task.get("run_once"):
            file = name.split(":")[0]
            around = [] if file in PLANS else includes.get(file, [])
            yield pytest.param([*conditions(task), *outer, *around], id=name)


@pytest.mark.parametrize("asked", run_once())
def test_trap_16_what_runs_once_does_so_on_a_condition_that_is_the_same_on_all_hosts(asked):
    """`when` is judged on the first host only, for all."""
    names = set(re.findall(r"\b[a-z_]*[a-z]\b", " ".join(asked)))
    assert names - {"not", "and", "or"} <= SAME_EVERYWHERE


def test_trap_19_every_file_that_a_task_writes_has_an_explicit_mode():
    writing = ("copy", "template", "get_url", "unarchive", "lineinfile", "blockinfile", "assemble")
    for name, task, _outer in tasks():
        for module in writing:
            arguments = task.get(f"ansible.builtin.{module}")
            assert not arguments or re.fullmatch(r"0[0-7]{3}", str(arguments.get("mode"))), name
        arguments = task.get("ansible.builtin.file")
        assert not arguments or arguments.get("state") == "absent" or arguments.get("mode"), name


def test_trap_23_nothing_is_left_running_behind_and_every_wait_has_an_end():
    for name, task, _outer in tasks():
        assert not set(task) & {"async", "poll"}, name
        assert "until" not in task or task.get("retries"), name
        for module, arguments in task.items():
            if module.startswith("streamquorum.ha.") and isinstance(arguments, dict):
                waits = [key for key in arguments if key.startswith("wait_for")]
                bounded = "wait_timeout" in arguments or all(arguments[key] is False for key in waits)
                assert not waits or bounded, name


def test_trap_37_nothing_but_the_roll_steps_and_it_runs_on_localhost_only():
    """`--limit` skips plays on localhost: with them go the lock and the plan, and then nothing is left that restarts."""
    for name, play in plays():
        used = " ".join(strings(play))
        assert ("streamquorum.ha.rolling" in used.split()) == (name == "roll.yml: Roll"), name


def test_trap_61_what_depends_on_certain_names_is_not_asked_of_a_page():
    """A listing of `host_state` ends after 100 names. It says that there are some, and what can be removed later as well."""
    allowed = {"length > 0", "leftover_entries"}
    for path in sorted((ROOT / "roles").rglob("*.yml")):
        for value in re.findall(r'(?m)^\w+: (?:>-\n(?:  .*\n)+|".*")', path.read_text()):
            if re.search(r"(?:paths\[[^]]+\]|databases[^}]*)(?:\.entries|attribute='entries')", value):
                assert any(use in value for use in allowed), f"{path.name}: {value}"


def test_lines_are_joined_in_double_quotes():
    """Elsewhere in YAML, \\n reaches the template as two characters, and so does the screen."""
    for path in [*TASK_FILES, *PLAYBOOKS]:
        assert [text for text in strings(load(path)) if "'\\n'" in text] == [], path
