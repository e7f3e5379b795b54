"""What somebody else set up, by a command line and a file."""

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import foreign

OWN, FLINKS = foreign.SERVERS


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("rest.port: 8081 # comment\n# rest.port: 1\nrest.x: 'a b'\n", ["rest.port: 8081", "rest.x: a b"]),
        (
            'rest:\n  port: 8081\n  bind:\n    address: "0.0.0.0"\nhigh-availability:\n  # comment\n  type: zookeeper\nlist:\n  - a\nlast: 1\n',
            ["rest.port: 8081", "rest.bind.address: 0.0.0.0", "high-availability.type: zookeeper", "last: 1"],
        ),
        ("no setting\n:\n", []),
    ],
)
def test_settings_have_whole_keys_however_they_are_written(text, lines):
    assert foreign.dotted(text) == lines


@pytest.mark.parametrize(
    ("paths", "releases"),
    [
        (
            ["/opt/flink/lib/flink-dist-1.20.5.jar", "/opt/flink/lib/flink-shaded-zookeeper-3-3.6.3.jar"],
            {"flink": "1.20.5"},
        ),
        (["/opt/flink/lib/flink-dist_2.11-1.13.6.jar (deleted)", "socket:[1]"], {"flink": "1.13.6"}),
        (["/usr/share/java/zookeeper-3.8.0.jar", "/usr/share/java/zookeeper-jute-3.8.0.jar"], {"zookeeper": "3.8.0"}),
        (["/a/zookeeper-3.8.0.jar", "/b/zookeeper-3.9.5.jar", "/a/flink-dist-2.3.0.jar"], {"flink": "2.3.0"}),
        (["/usr/share/java/zookeeper.jar"], {}),
    ],
)
def test_trap_79_the_release_that_runs_is_the_one_whose_jar_is_open(paths, releases):
    assert foreign.releases(paths) == releases


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["java", OWN, "/etc/zk/zoo.cfg"], "/etc/zk/zoo.cfg"),
        (["java", OWN, "../conf/zoo.cfg"], "/opt/zk/conf/zoo.cfg"),
        (["java", FLINKS, "--zkConfigFile", "/opt/flink/conf/zoo.cfg", "--peerId", "1"], "/opt/flink/conf/zoo.cfg"),
        (["java", OWN], ""),
        (["java", "org.example.Other", "/etc/zk/zoo.cfg"], ""),
    ],
)
def test_trap_79_a_server_names_its_configuration_on_its_command_line(words, path):
    assert foreign.server_config(words, "/opt/zk/bin") == path


def test_of_a_process_that_has_ended_meanwhile_there_is_no_directory():
    assert foreign.server_config(["java", OWN, "zoo.cfg"], "") == ""
