"""The container that a host is: how it is made, and when it has to be made anew. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping

from lab.inventory import Host, Lab

LABEL = "streamquorum.lab"
LABEL_SPEC = "streamquorum.lab.spec"


def spec_digest(lab: Lab, host: Host, image: str) -> str:
    """What a container cannot change after it was made; another digest means that it is made anew."""
    described = json.dumps([dataclasses.asdict(host), lab.subnet, image], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()[:12]


def create_arguments(
    lab: Lab, host: Host, image: str, limits: Mapping[str, int], capabilities: Iterable[str]
) -> list[str]:
    """Arguments of `podman create` for a host."""
    arguments = ["create", "--name", lab.container(host), "--hostname", host.name, "--systemd=always", "--no-hosts"]
    arguments += ["--network", lab.prefix, "--ip", host.address]
    # A host that reboots itself comes back, as an ordinary one does; one that was stopped from outside stays off.
    arguments += ["--restart", "always", "--stop-timeout", "60"]
    for name, value in sorted(limits.items()):
        arguments += ["--ulimit", f"{name}={value}:{value}"]
    for capability in sorted({*capabilities, *host.capabilities}):
        arguments += ["--cap-add", capability]
    for device in host.devices:
        arguments += ["--device", device]
    for volume in host.volumes:
        arguments += ["--volume", f"{lab.prefix}-{volume}"]
    for tmpfs in host.tmpfs:
        arguments += ["--tmpfs", tmpfs]
    arguments += ["--label", f"{LABEL}={lab.name}", "--label", f"{LABEL_SPEC}={spec_digest(lab, host, image)}"]
    return [*arguments, image, "/lib/systemd/systemd"]


def plan(lab: Lab, images: Mapping[str, str], found: Mapping[str, tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    """What `up` does: by host name one of keep, start, finish, create, replace; and the containers to remove.

    Args:
        images: image by suite.
        found: the lab's containers by name: (state as podman has it, digest of what it was made from).
    """
    actions = {}
    for host in lab.hosts:
        state, digest = found.get(lab.container(host), ("", ""))
        if not state:
            actions[host.name] = "create"
        elif digest != spec_digest(lab, host, images[host.suite]):
            actions[host.name] = "replace"
        elif state == "running":
            actions[host.name] = "keep"
        else:
            # "created": an earlier run was killed before the first start, perhaps before the files were in place.
            actions[host.name] = "finish" if state in ("created", "configured") else "start"
    wanted = {lab.container(host) for host in lab.hosts}
    return actions, sorted(set(found) - wanted)
