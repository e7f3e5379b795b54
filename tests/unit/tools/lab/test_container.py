"""What `up` does with what it finds, and how a host is created."""

from __future__ import annotations

import dataclasses

import pytest
from lab import container, inventory

IMAGES = {"bookworm": "image:bookworm-1", "trixie": "image:trixie-1"}


def found(*entries):
    return {name: (state, digest) for name, state, digest in entries}


def test_up_does_the_least_that_gives_the_described_lab():
    described = inventory.Lab(
        "demo", "198.18.7.0/24", tuple(inventory.Host(f"h{n}.lab.test", f"198.18.7.1{n}") for n in range(1, 6))
    )
    digests = [container.spec_digest(described, host, IMAGES["bookworm"]) for host in described.hosts]
    actions, leftovers = container.plan(
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
def test_what_a_container_cannot_change_makes_it_anew(two_hosts, change):
    described = two_hosts
    host = described.hosts[0]
    other = dataclasses.replace(host, **change)
    assert container.spec_digest(described, host, "i") != container.spec_digest(described, other, "i")


def test_a_host_is_created_as_described(two_hosts):
    described = two_hosts
    host = dataclasses.replace(
        described.hosts[0],
        volumes=("shared:/shared",),
        tmpfs=("/srv/small:size=16m",),
        capabilities=("SYS_TIME",),
        devices=("/dev/fuse",),
    )
    words = " ".join(
        container.create_arguments(described, host, "image:1", {"nofile": 20000, "nproc": 32768}, ["NET_ADMIN"])
    )
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
