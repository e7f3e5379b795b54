"""The server in Flink's archive: which it is, and what is refused with it."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import bundled

RELEASES = [{"version": "2.3.0", "zookeeper_server": "3.7.2"}, {"version": "1.14.6"}]
NOTHING = {name: without for name, (without, _why) in bundled.WITHOUT.items()}


def test_what_it_brings_is_accepted():
    assert bundled.problems("2.3.0", "3.7.2", NOTHING, RELEASES) == []


@pytest.mark.parametrize(
    ("flink", "version", "wanted", "words"),
    [
        ("", "3.7.2", {}, "zookeeper_flink_version is ''"),
        ("1.14.6", "3.4.14", {}, "whose ZooKeeper is older than 3.5. Take one of 2.3.0"),
        ("2.3.0", "3.9.5", {}, "Flink 2.3.0 brings ZooKeeper 3.7.2, and zookeeper_version is 3.9.5. Set it to 3.7.2"),
        ("2.3.0", "3.7.2", {"zookeeper_admin_enabled": True}, "zookeeper_admin_enabled: the ZooKeeper that Flink brings has no Jetty"),
        ("2.3.0", "3.7.2", {"zookeeper_client_auth": "offered"}, "zookeeper_client_auth: the ZooKeeper that Flink brings was not tried"),
        ("2.3.0", "3.7.2", {"zookeeper_quorum_tls": "required"}, "Set it to none, or use zookeeper_install_method: archive."),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_what_to_do(flink, version, wanted, words):
    (told,) = bundled.problems(flink, version, NOTHING | wanted, RELEASES)
    assert words in told


@pytest.mark.parametrize(
    ("target", "release"),
    [
        ("/opt/zookeeper-3.8.6", "3.8.6"),
        ("/opt/flink-2.3.0", "3.7.2"),
        ("/opt/flink-1.14.6", ""),
        ("/usr/share/zookeeper", ""),
        ("", ""),
    ],
)
def test_the_release_behind_a_link(target, release):
    assert bundled.release_behind(target, RELEASES) == release


@pytest.mark.parametrize(
    ("target", "has_data", "live", "refused"),
    [
        ("/opt/zookeeper-3.8.6", True, True, "hold data of /opt/zookeeper-3.8.6"),
        ("/opt/zookeeper-3.8.6", True, False, "hold data of /opt/zookeeper-3.8.6"),
        ("", True, True, "this toolkit did not install"),
        ("", True, False, ""),
        ("/opt/flink-2.2.1", True, True, ""),
        ("", False, False, ""),
        ("/opt/zookeeper-3.8.6", False, False, ""),
    ],
)
def test_data_of_another_ensemble_is_refused_and_what_was_brought_back_is_taken(target, has_data, live, refused):
    told = bundled.disk_problems("zk1", target, ["/data", "/log"], has_data, live)
    assert bool(told) == bool(refused)
    assert refused in "".join(told)
