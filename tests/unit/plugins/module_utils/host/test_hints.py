"""What is told of a host, and never changed."""

from __future__ import annotations

from ansible_collections.streamquorum.ha.plugins.module_utils.host import hints as host_hints

CALM = {"swap_mb": 0, "swappiness": 60, "huge_pages": "madvise"}


def state(replaced=False, memory=None, certificates=None):
    return {
        "units": {"zookeeper.service": {"java_replaced": replaced}, "other.service": {}},
        "memory": CALM | (memory or {}),
        "certificates": certificates or {},
    }


def test_a_java_that_was_updated_under_a_process_is_told_with_the_way():
    (hint,) = host_hints.java_hints("h1", state(replaced=True)["units"])
    assert hint.startswith("h1: zookeeper.service runs a Java that was updated")
    assert "rolling_restart_force=true" in hint
    assert host_hints.java_hints("h1", state()["units"]) == []


def test_swap_matters_only_where_there_is_some():
    assert host_hints.memory_hints("h1", CALM) == []
    assert host_hints.memory_hints("h1", CALM | {"swap_mb": 2048, "swappiness": 1}) == []
    (hint,) = host_hints.memory_hints("h1", CALM | {"swap_mb": 2048})
    assert "vm.swappiness 60" in hint


def test_huge_pages_that_are_always_on_are_told():
    (hint,) = host_hints.memory_hints("h1", CALM | {"huge_pages": "always"})
    assert "transparent huge pages" in hint


def test_status_names_each_once_and_the_end_of_each_certificate():
    one = state(memory={"huge_pages": "always"}, certificates={"/t/quorum.pem": "2027-01-31", "/t/server.pem": ""})
    told = host_hints.status_hints({"h2": [{"unreachable": True}], "h1": [one, state(memory={"huge_pages": "always"})]})
    assert [line for line in told if "huge pages" in line] == [told[0]]
    assert told[1:] == ["h1: /t/quorum.pem holds until 2027-01-31"]
    assert host_hints.status_hints({"h1": [state()], "h2": [{}]}) == []
