"""The lab's decisions: what an inventory describes, what `up` does with what it finds, what the machine allows."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "molecule" / "shared" / "lab.py"
SPEC = importlib.util.spec_from_file_location("lab", PATH)
assert SPEC
assert SPEC.loader
lab = importlib.util.module_from_spec(SPEC)
sys.modules["lab"] = lab
SPEC.loader.exec_module(lab)

IMAGES = {"bookworm": "image:bookworm-1", "trixie": "image:trixie-1"}


def listing(**hosts):
    """What ansible-inventory says of these hosts."""
    shared = {"lab_name": "demo", "lab_subnet": "198.18.7.0/24"}
    return {
        "_meta": {"hostvars": {f"{short}.lab.test": shared | variables for short, variables in sorted(hosts.items())}}
    }


def two_hosts():
    return lab.read_lab(listing(zk2={"ansible_host": "198.18.7.12"}, zk1={"ansible_host": "198.18.7.11"}))


def test_a_lab_is_what_its_inventory_says():
    found = lab.read_lab(
        listing(
            zk1={
                "ansible_host": "198.18.7.11",
                "lab_image": "trixie",
                "lab_java": False,
                "lab_volumes": ["shared:/shared"],
                "lab_tmpfs": ["/srv/small:size=16m"],
                "lab_capabilities": ["SYS_TIME"],
                "lab_devices": ["/dev/fuse"],
            }
        )
    )
    assert (found.name, found.subnet, found.prefix) == ("demo", "198.18.7.0/24", "sq-demo")
    assert found.hosts == (
        lab.Host(
            name="zk1.lab.test",
            address="198.18.7.11",
            suite="trixie",
            java=False,
            volumes=("shared:/shared",),
            tmpfs=("/srv/small:size=16m",),
            capabilities=("SYS_TIME",),
            devices=("/dev/fuse",),
        ),
    )


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "zk1.lab.test: ansible_host is ''"),
        ({"ansible_host": "zk1"}, "zk1.lab.test: ansible_host is 'zk1'"),
        ({"ansible_host": "198.18.8.11"}, "zk1.lab.test: ansible_host is 198.18.8.11; take a free one"),
        ({"ansible_host": "198.18.7.1"}, "198.18.7.1 is taken"),
        ({"ansible_host": "198.18.7.255"}, "take a free one"),
        ({"ansible_host": "198.18.7.11", "lab_image": "sarge"}, "zk1.lab.test: lab_image is 'sarge'"),
        ({"ansible_host": "198.18.7.11", "lab_volumes": "shared:/shared"}, "lab_volumes must be a list"),
        ({"ansible_host": "198.18.7.11", "lab_volumes": ["/srv:/shared"]}, "write name:/path"),
        ({"ansible_host": "198.18.7.11", "lab_subnet": "10.0.0.0/24"}, "take a network inside 198.18.0.0/15"),
        ({"ansible_host": "198.18.7.11", "lab_subnet": "198.18.7.0/33"}, "lab_subnet is '198.18.7.0/33'"),
        ({"ansible_host": "198.18.7.11", "lab_name": "Demo Lab"}, "lab_name is 'Demo Lab'"),
        (
            {"ansible_host": "198.18.7.11", "lab_name": ""},
            "lab_name must be set, the same for all hosts; they have none",
        ),
    ],
)
def test_wrong_inventories_are_refused_by_name(variables, words):
    with pytest.raises(lab.LabError, match="describes no lab") as refusal:
        lab.read_lab(listing(zk1=variables))
    assert words in str(refusal.value)


def test_all_problems_are_named_at_once():
    with pytest.raises(lab.LabError) as refusal:
        lab.read_lab(
            listing(zk1={"ansible_host": "198.18.7.11"}, zk2={"ansible_host": "198.18.7.11", "lab_image": "x"})
        )
    assert "zk2.lab.test and zk1.lab.test have the same address 198.18.7.11" in str(refusal.value)
    assert "zk2.lab.test: lab_image is 'x'" in str(refusal.value)


def test_hosts_of_two_domains_may_not_share_a_short_name():
    hosts = (lab.Host("zk1.a.test", "198.18.7.11"), lab.Host("zk1.b.test", "198.18.7.12"))
    assert lab.network_problems("198.18.7.0/24", hosts) == ["zk1.b.test and zk1.a.test have the same short name zk1."]


@pytest.mark.parametrize("name", ["zk1", "ZK1.lab.test"])
def test_names_are_lower_case_and_fully_qualified(name):
    variables = {"lab_name": "demo", "lab_subnet": "198.18.7.0/24", "ansible_host": "198.18.7.11"}
    with pytest.raises(lab.LabError, match="fully qualified and lower-case"):
        lab.read_lab({"_meta": {"hostvars": {name: variables}}})


def test_an_empty_inventory_is_refused():
    with pytest.raises(lab.LabError, match="has no hosts"):
        lab.read_lab({"_meta": {"hostvars": {}}})


def test_names_resolve_both_ways_and_never_to_loopback():
    lines = lab.hosts_file(two_hosts()).splitlines()
    assert lines[2:] == ["198.18.7.11 zk1.lab.test zk1", "198.18.7.12 zk2.lab.test zk2"]
    assert not [line for line in lines if "lab.test" in line and line.startswith(("127.", "::1"))]


def test_known_hosts_has_name_and_address_and_drops_the_comment():
    keys = {"zk1.lab.test": "ssh-ed25519 AAA1 root@zk1", "zk2.lab.test": "ssh-ed25519 AAA2 root@zk2"}
    assert lab.known_hosts(two_hosts(), keys) == (
        "zk1.lab.test,198.18.7.11 ssh-ed25519 AAA1\nzk2.lab.test,198.18.7.12 ssh-ed25519 AAA2\n"
    )


def test_ssh_checks_host_keys_against_the_labs_own_file():
    text = lab.ssh_config(two_hosts())
    assert "Host zk1.lab.test zk1\n    HostName 198.18.7.11\n" in text
    assert "    StrictHostKeyChecking yes\n" in text
    assert f'    UserKnownHostsFile "{lab.LAB_ROOT / "demo" / "known_hosts"}"\n' in text


def found(*entries):
    return {name: (state, digest) for name, state, digest in entries}


def test_up_does_the_least_that_gives_the_described_lab():
    described = lab.Lab(
        "demo", "198.18.7.0/24", tuple(lab.Host(f"h{n}.lab.test", f"198.18.7.1{n}") for n in range(1, 6))
    )
    digests = [lab.spec_digest(described, host, IMAGES["bookworm"]) for host in described.hosts]
    actions, leftovers = lab.plan(
        described,
        IMAGES,
        found(
            ("sq-demo-h1", "running", digests[0]),
            ("sq-demo-h2", "exited", digests[1]),
            ("sq-demo-h3", "created", digests[2]),
            ("sq-demo-h4", "running", "what an older inventory said"),
            ("sq-demo-gone", "running", "any"),
        ),
    )
    assert actions == {
        "h1.lab.test": "keep",
        "h2.lab.test": "start",
        "h3.lab.test": "finish",
        "h4.lab.test": "replace",
        "h5.lab.test": "create",
    }
    assert leftovers == ["sq-demo-gone"]


@pytest.mark.parametrize(
    "change", [{"address": "198.18.7.99"}, {"suite": "trixie"}, {"java": False}, {"volumes": ("a:/a",)}]
)
def test_what_a_container_cannot_change_makes_it_anew(change):
    described = two_hosts()
    host = described.hosts[0]
    other = dataclasses.replace(host, **change)
    assert lab.spec_digest(described, host, "i") != lab.spec_digest(described, other, "i")


def test_a_host_is_created_as_described():
    described = two_hosts()
    host = dataclasses.replace(
        described.hosts[0],
        volumes=("shared:/shared",),
        tmpfs=("/srv/small:size=16m",),
        capabilities=("SYS_TIME",),
        devices=("/dev/fuse",),
    )
    words = " ".join(lab.create_arguments(described, host, "image:1", {"nofile": 20000, "nproc": 32768}, ["NET_ADMIN"]))
    for expected in (
        "create --name sq-demo-zk1 --hostname zk1.lab.test --systemd=always --no-hosts",
        "--network sq-demo --ip 198.18.7.11",
        "--restart always",
        "--ulimit nofile=20000:20000 --ulimit nproc=32768:32768",
        "--cap-add NET_ADMIN --cap-add SYS_TIME",
        "--device /dev/fuse",
        "--volume sq-demo-shared:/shared",
        "--tmpfs /srv/small:size=16m",
        "--label streamquorum.lab=demo",
    ):
        assert expected in words
    assert words.endswith("image:1 /lib/systemd/systemd")


@pytest.mark.parametrize(
    ("nofile", "nproc", "expected"),
    [
        (20000, 96365, {"nofile": 20000, "nproc": 32768}),
        (1048576, 1000, {"nofile": 65536, "nproc": 1000}),
        (-1, -1, {"nofile": 65536, "nproc": 32768}),
    ],
)
def test_limits_stay_under_the_machines_own(nofile, nproc, expected):
    assert lab.limits(nofile, nproc) == expected


def test_only_capabilities_that_the_machine_has_are_handed_out():
    assert lab.default_capabilities(2**41 - 1) == ["AUDIT_WRITE", "NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"]
    assert lab.default_capabilities(1 << 12) == ["NET_ADMIN"]
    assert lab.default_capabilities(0) == []


@pytest.mark.parametrize(
    ("mounts", "first"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "crun"),
        ("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n", "runc"),
        ("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n", "runc"),
        ("", "crun"),
    ],
)
def test_crun_is_tried_first_where_there_is_only_cgroup_v2(mounts, first):
    order = lab.runtime_order(mounts)
    assert order[0] == first
    assert set(order) == {"crun", "runc"}


MIRRORS = ("http://mirror.example/debian", "http://mirror.example/debian-security")


@pytest.mark.parametrize(
    ("targets", "codename", "expected"),
    [
        (
            "http://mirror.example/debian/|bookworm|main\nhttp://mirror.example/debian/|bookworm-updates|main\n"
            "http://mirror.example/security/|bookworm-security|main\n",
            "bookworm",
            ("http://mirror.example/debian", "http://mirror.example/security"),
        ),
        ("http://mirror.example/debian/|bookworm|main\n", "bookworm", MIRRORS),
    ],
)
def test_images_come_from_the_machines_own_mirror_of_debian(targets, codename, expected):
    assert lab.mirrors(targets, codename) == expected


@pytest.mark.parametrize(
    ("targets", "codename"),
    [
        ("http://vendor.example/|bookworm|stable\n", "bookworm"),
        ("http://archive.example/ubuntu/|noble|main\n", ""),
        ("", "trixie"),
    ],
)
def test_a_machine_without_an_archive_of_debian_is_told_how_to_name_one(targets, codename):
    with pytest.raises(lab.LabError, match="STREAMQUORUM_LAB_MIRROR"):
        lab.mirrors(targets, codename)


def test_hosts_get_the_settings_that_reach_the_archive_and_no_others():
    dump = 'Acquire "";\nAcquire::http::Proxy "http://proxy.example:3128";\nAcquire::Check-Date "false";\nAPT::Get::Yes "1";\n'
    assert lab.apt_settings(dump) == 'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::Check-Date "false";\n'


def test_an_image_is_named_by_its_recipe():
    sources = lab.apt_sources("trixie", *MIRRORS)
    name = lab.image_name(lab.recipe("trixie", sources, ""))
    assert name.startswith("localhost/streamquorum-lab:trixie-")
    assert name == lab.image_name(lab.recipe("trixie", sources, ""))
    assert name != lab.image_name(lab.recipe("trixie", sources, 'Acquire::http::Proxy "http://proxy.example";\n'))
    assert "openjdk-21-jre-headless" in lab.recipe("trixie", sources, "")["packages"]


def test_missing_packages_are_those_without_a_proof():
    assert lab.missing_packages(lambda _proof: True, ("crun", "runc")) == []
    assert "crun" not in lab.missing_packages(lambda _proof: False, ("runc", "crun"))
    here = {
        "podman",
        "runc",
        "mmdebstrap",
        "iptables",
        "nft",
        "ssh",
        "mvn",
        "javac",
        "kadmin",
        "/usr/libexec/podman/netavark",
    }
    assert lab.missing_packages(here.__contains__, ("crun", "runc")) == ["crun", "debian-archive-keyring"]
    assert lab.missing_packages(here.__contains__, ("runc", "crun")) == ["debian-archive-keyring"]


@pytest.mark.parametrize(("version", "refused"), [((3, 9, 2), True), ((3, 11, 0), False), ((3, 13, 1), False)])
def test_an_old_python_is_refused_with_the_remedy(version, refused):
    problems = lab.python_problems(version)
    assert bool(problems) is refused
    assert all("3.11" in problem for problem in problems)


def test_waiting_ends_with_the_reason():
    with pytest.raises(lab.LabError, match="the reason"):
        lab.wait_for(lambda: None, 0, lambda: "the reason")
    assert lab.wait_for(lambda: "yes", 0, lambda: "never") == "yes"
