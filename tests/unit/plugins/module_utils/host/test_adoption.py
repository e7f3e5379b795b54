"""What becomes of a process that runs without its unit. How systemd takes it is shown by the scenario `takeover`."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import adoption
from ansible_collections.streamquorum.ha.plugins.module_utils.host.adoption import (
    MARK,
    AdoptionError,
    Wanted,
    candidates,
    environment_text,
    head,
    is_one,
    quoted,
    refusal,
    unit_of_process,
    unit_of_unit,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.host.processes import Process, read

MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
SERVER = Process(
    pid=71,
    parent=1,
    started="4711",
    executable="/usr/lib/jvm/java-17/bin/java",
    words=("java", "-Dx=$1 %n", MAIN, "/etc/zoo.cfg"),
    environment={"HOME": "/srv"},
    directory="/srv/zk",
    uid="999",
    gid="998",
    umask="0027",
    limits={"Max open files": ("1024", "unlimited"), "Max cpu time": ("1", "1")},
)
FREE = dict.fromkeys(adoption.PROPERTIES, "") | {
    "WantedBy": "multi-user.target",
    "FragmentPath": "/etc/systemd/system/zk.service",
}
#: Of a service whose main process it is.
ITS = FREE | {"MainPID": "71"}


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ("two words", '"two words"'),
        # systemd would expand them.
        ("$HOME ${x} %n", '"$$HOME $${x} %%n"'),
        ('a "quoted" \\', '"a \\"quoted\\" \\\\"'),
        ("two\nlines\t", '"two\\x0alines\\x09"'),
        ("ä", '"ä"'),
    ],
)
def test_a_word_of_a_command_line(word, text):
    assert quoted(word) == text


def test_the_environment_is_written_as_it_is_read():
    given = {"B": 'a "b" `c` $d \\', "A": "two\nlines", "BASH_FUNC_x%%": "() { :; }", "INVOCATION_ID": "1"}
    assert environment_text(given) == 'A="two\nlines"\nB="a \\"b\\" \\`c\\` \\$d \\\\"\n'


def test_the_unit_of_a_process_starts_it_as_it_was():
    lines = unit_of_process(SERVER, "/etc/streamquorum/zk.environment").splitlines()
    assert f'ExecStart="/usr/lib/jvm/java-17/bin/java" "-Dx=$$1 %%n" "{MAIN}" "/etc/zoo.cfg"' in lines
    for line in (
        "User=999", "Group=998", "UMask=0027", "WorkingDirectory=-/srv/zk", "LimitNOFILE=1024:infinity",
        "EnvironmentFile=/etc/streamquorum/zk.environment",
    ):  # fmt: skip
        assert line in lines
    # The others are the system's own.
    assert sum(line.startswith("Limit") for line in lines) == 1
    # As before.
    assert not [line for line in lines if line.startswith("Restart=")]


def test_the_unit_of_a_unit_says_the_name_that_it_had():
    text = "# %j\n[Service]\nExecStart=/opt/%p/run %i %n %N %h %%n\n[Install]\nAlias=a.service\n"
    expected = "[Service]\nExecStart=/opt/zk/run 2 zk@2.service zk@2 %h %%n\n[Install]\n\n[Install]\nWantedBy=multi-user.target\n"
    assert unit_of_unit(text, "zk@2.service") == expected
    assert unit_of_unit("[Install]\nWantedBy=a.target\n", "zk.service") == "[Install]\nWantedBy=a.target\n"


@pytest.mark.parametrize(
    ("text", "word"), [("ExecStart=/run %j", "%j"), ("ExecStart=/run %P", "%P"), ("Also=x.timer", "Also=")]
)
def test_what_would_mean_something_else_in_another_unit_is_refused(text, word):
    with pytest.raises(AdoptionError, match=f"has {word}"):
        unit_of_unit(f"{text}\n", "a-zk.service")


@pytest.mark.parametrize(
    ("found", "check_mode", "words"),
    [
        ({}, False, ["Process 7, until now of old.service, is that of zk.service."]),
        ({}, True, ["Process 7, of old.service, would become that of zk.service."]),
        ({"before": ""}, False, ["Process 7, until now of no service, is that of zk.service."]),
        ({"pid": 0}, False, []),
        ({"pid": 0, "left": [9, 8]}, False, ["old.service was not ended, since it holds other processes (8, 9)."]),
        ({"pid": 0, "wanted_by": ["a.target"]}, False, ["old.service is still started by a.target."]),
    ],
)
def test_what_was_done_is_told_in_sentences(found, check_mode, words):
    answer = {"pid": 7, "before": "old.service", "left": [], "wanted_by": [], **found}
    sentences = adoption.told(answer, "zk.service", check_mode)
    assert [sentence.startswith(word) for sentence, word in zip(sentences, words, strict=True)] == [True] * len(words)


def test_a_unit_tells_of_what_it_was_made():
    assert head("") == f"{MARK}\n"
    assert head("zk.service") == f"{MARK} Before: zk.service\n"


@pytest.mark.parametrize(
    ("others", "wanted", "listening", "found"),
    [
        ([], {}, (), [71]),
        ([], {"ports": [2181]}, (71,), [71]),
        # Of somebody else, on another port.
        ([], {"ports": [2181]}, (), []),
        ([{"pid": 80}], {"ports": [2181]}, (80,), [80]),
        ([{"pid": 80}], {}, (), [71, 80]),
        # Until it has become another program.
        ([{"pid": 80, "parent": 71}], {"ports": [2181]}, (71, 80), [71]),
        ([{"pid": 80, "unit": "zookeeper@2.service"}], {"other_units": ["zookeeper@2.service"]}, (), [71]),
    ],
)
def test_the_one_is_known_by_its_ports_and_is_of_no_other_unit(others, wanted, listening, found):
    processes = [SERVER, *(replace(SERVER, **each) for each in others)]
    asked = Wanted("zookeeper.service", [MAIN], **{"ports": [], **wanted})
    assert [each.pid for each in candidates(processes, asked, listening)] == found


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, True),
        ({"executable": "/usr/bin/grep"}, False),
        ({"words": ("java", f"-D{MAIN}")}, False),
        ({"executable": "/opt/java/bin/java (deleted)"}, True),
    ],
)
def test_what_is_one_is_known_by_its_main_class(changed, found):
    assert is_one(replace(SERVER, **changed), [MAIN]) is found


@pytest.mark.parametrize(
    ("changed", "installed", "old", "words"),
    [
        ({}, "", {}, ""),
        # A run that was ended before it took the process.
        ({}, f"{MARK}\n[Unit]\n", {}, ""),
        ({}, "[Unit]\n", {}, "is there already"),
        ({"contained": True}, "", {}, "in a container"),
        ({"of_session": True, "unit": "zk.service"}, "", {}, "zk.service, a unit of a user's own systemd"),
        ({"executable": "/usr/bin/java (deleted)"}, "", {}, "a Java that is not on the host any more"),
        ({"parent": 12}, "", {}, "process 12, which runs and may start it again"),
        ({"unit": "session-1.scope"}, "", {}, ""),
        ({"unit": "zk.service"}, "", ITS, ""),
        ({"unit": "zk.service"}, "", FREE, ""),
        ({"unit": "zk.service"}, "", ITS | {"RequiredBy": "kafka.service"}, "RequiredBy kafka.service"),
        ({"unit": "zk.service"}, "", ITS | {"TriggeredBy": "zk.timer"}, "TriggeredBy zk.timer"),
        ({"unit": "zk.service"}, "", ITS | {"WantedBy": "app.service a.target"}, "WantedBy app.service."),
        ({"unit": "zk.service"}, "", ITS | {"PrivateTmp": "yes"}, "its end removes files"),
        ({"unit": "zk.service", "environment": {"CREDENTIALS_DIRECTORY": "/run/x"}}, "", ITS, "its end removes files"),
        ({"unit": "zk.service"}, "", ITS | {"FragmentPath": ""}, "is gone"),
        (
            {"environment": {"A": "\udce9"}, "words": ("java", "\udce9")},
            "",
            {},
            "the variable A, word 2 of its command line",
        ),
        # A line of its own in the unit, which root's systemd would read.
        ({"directory": "/tmp/x\nExecStartPre=+/tmp/y"}, "", {}, "which no unit can have"),
        ({"directory": "/srv/zk (deleted)"}, "", {}, "which no unit can have"),
        # Its unit's text is taken, which has none of that.
        ({"unit": "zk.service", "directory": "/srv/two words"}, "", ITS, ""),
    ],
)
def test_trap_78_what_would_come_back_or_take_others_along_is_refused(changed, installed, old, words):
    process = replace(SERVER, **changed)
    reason = refusal(process, "zookeeper.service", installed, process.service, old, ())
    assert words in reason
    assert bool(words) is bool(reason)


def test_a_service_that_lives_by_the_process_and_holds_others_is_refused():
    of_service = replace(SERVER, unit="zk.service")
    assert "(80, 81)" in refusal(of_service, "zookeeper.service", "", "zk.service", ITS, (81, 80))
    # Of one that only started it, or holds it by chance, such as cron's.
    assert refusal(of_service, "zookeeper.service", "", "zk.service", FREE | {"MainPID": "12"}, (12,)) == ""


def test_a_process_is_read_as_the_kernel_has_it(tmp_path):
    command = [sys.executable, "-c", "input()", "two words", ""]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, cwd=tmp_path, env={"LAB": "a=b\nc", "PATH": "/bin"}
    ) as started:
        deadline = time.monotonic() + 10
        # Until it is the other program.
        while (found := read(started.pid)) is None or found.words[1:] != tuple(command[1:]):
            assert time.monotonic() < deadline, found
        started.communicate(b"\n")
    assert found.pid == started.pid
    assert found.environment["LAB"] == "a=b\nc"
    assert found.directory == str(tmp_path)
    assert int(found.started) > 0
    assert found.limits["Max open files"][0].isdigit() or found.limits["Max open files"][0] == "unlimited"
    assert not found.contained
    assert read(started.pid) is None
