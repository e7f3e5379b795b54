"""The hosts of a lab on this machine: booted, reached, switched off, removed."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import shutil
import socket
import tarfile
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from lab.access import SOCKETS, hosts_file, known_hosts, ssh_config
from lab.container import LABEL, LABEL_SPEC, create_arguments, plan
from lab.image import ensure_image
from lab.inventory import Host, Lab
from lab.machine import (
    choose_runtime,
    inotify_limit,
    inotify_problem,
    inotify_used,
    machine_capabilities,
    machine_limits,
)
from lab.run import LabError, podman, run, say, wait_for
from lab.state import write

#: Seconds within which a host must have booted. Seven at once take about 5 on 2 cores.
BOOT_LIMIT = 240

#: Runs in a host that was started: ends when its boot has ended, and prints its state and its public key.
BOOTED = r"""
# Not `is-system-running --wait`: asked in the first moments of a boot, it can hang for the 25 s of a D-Bus time limit.
end=$(($(date +%s) + LIMIT))
state=
while [ "$state" != running ] && [ "$state" != degraded ] && [ "$(date +%s)" -lt $end ]; do
    sleep 0.1
    state=$(timeout 3 systemctl is-system-running 2>/dev/null) || true
done
if [ -n "$NO_JAVA" ] && [ -d /usr/lib/jvm ]; then
    dpkg --purge --force-depends $(dpkg-query -W -f '${Package} ' 'openjdk-*' ca-certificates-java java-common) >/dev/null
fi
echo "$state"
cat /etc/ssh/ssh_host_ed25519_key.pub
systemctl list-units --failed --plain --no-legend | cut -d' ' -f1
"""


class Hosts:
    """The hosts of one lab on this machine."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.key = lab.directory / "id_ed25519"
        self.notes_file = lab.directory / "hosts.json"

    def containers(self) -> dict[str, tuple[str, str]]:
        """The lab's containers: (state, digest of what each was made from) by name."""
        listed = json.loads(podman("ps", "--all", "--filter", f"label={LABEL}={self.lab.name}", "--format", "json"))
        return {
            item["Names"][0]: (item["State"], (item.get("Labels") or {}).get(LABEL_SPEC, "")) for item in listed or []
        }

    def notes(self) -> dict[str, dict[str, str]]:
        """What is known of each container since it was made, by its name: id, files, host_key."""
        try:
            found: dict[str, dict[str, str]] = json.loads(self.notes_file.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def files(self) -> dict[str, tuple[str, int]]:
        """Files that the lab puts into a host, which survive its reboots: path -> (text, mode)."""
        return {
            "etc/hosts": (hosts_file(self.lab), 0o644),
            "home/ops/.ssh/authorized_keys": (self.key.with_suffix(".pub").read_text(), 0o644),
        }

    def files_digest(self) -> str:
        return hashlib.sha256(json.dumps(self.files(), sort_keys=True).encode()).hexdigest()[:12]

    def put_files(self, host: Host) -> None:
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, (text, mode) in self.files().items():
                member = tarfile.TarInfo(path)
                member.size, member.mode, member.mtime = len(text.encode()), mode, int(time.time())
                archive.addfile(member, BytesIO(text.encode()))
        podman("cp", "-", f"{self.lab.container(host)}:/", data=packed.getvalue())

    def ensure_key(self) -> None:
        self.lab.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        Path(SOCKETS).expanduser().mkdir(parents=True, exist_ok=True, mode=0o700)
        public = self.key.with_suffix(".pub")
        if self.key.exists() and public.exists():
            return
        self.key.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {self.lab.name}", "-f", str(self.key)])

    def ensure_network(self) -> None:
        """A network without podman's name server: names are in /etc/hosts, as on the hosts of a site."""
        found = run(["podman", "network", "inspect", self.lab.prefix], check=False)
        if found.returncode == 0:
            subnets = [item.get("subnet") for item in json.loads(found.stdout)[0].get("subnets") or []]
            if subnets == [self.lab.subnet]:
                return
            say(f"the network was {subnets}, and is {self.lab.subnet} now: making it and its hosts anew")
            self.remove(sorted(self.containers()))
            podman("network", "rm", "--force", self.lab.prefix)
        labels = ["--label", f"{LABEL}={self.lab.name}"]
        podman("network", "create", *labels, "--disable-dns", "--subnet", self.lab.subnet, self.lab.prefix)

    def ensure_volumes(self) -> None:
        existing = set(podman("volume", "ls", "--format", "{{.Name}}").split())
        wanted = {f"{self.lab.prefix}-{volume.split(':')[0]}" for host in self.lab.hosts for volume in host.volumes}
        for name in sorted(wanted - existing):
            podman("volume", "create", "--label", f"{LABEL}={self.lab.name}", name)

    def up(self) -> None:
        """Brings all hosts up; leaves those alone that run. Can be killed anywhere and run again.

        Raises:
            LabError: the machine cannot boot so many, or a host did not come up.
        """
        started = time.monotonic()
        images = {suite: ensure_image(suite) for suite in sorted({host.suite for host in self.lab.hosts})}
        runtime = choose_runtime(next(iter(images.values())))
        self.ensure_key()
        self.ensure_network()
        actions, leftovers = plan(self.lab, images, self.containers())
        if leftovers:
            say(f"removing {', '.join(leftovers)}: not in the inventory any more")
            self.remove(leftovers)
        for host in self.lab.hosts:
            if actions[host.name] == "replace":
                say(f"{host.name} is described differently now: making it anew")
        self.ensure_volumes()
        fresh = [host for host in self.lab.hosts if actions[host.name] != "keep"]
        problem = inotify_problem(inotify_limit(), inotify_used(), len(fresh)) if fresh else ""
        if problem:
            raise LabError(problem)
        if fresh:
            say(f"booting {', '.join(host.name for host in fresh)} (usually 5 to 15 s)")
        capabilities = machine_capabilities()

        def boot(host: Host) -> None:
            container, action = self.lab.container(host), actions[host.name]
            if action in ("create", "replace"):
                # Also what a killed run left of this name without podman's knowing it as a container.
                podman("rm", "--force", "--ignore", "--volumes", container)
                arguments = create_arguments(self.lab, host, images[host.suite], machine_limits(), capabilities)
                podman("--runtime", runtime, *arguments)
            if action != "start":
                self.put_files(host)
            podman("start", container)

        self.each(fresh, boot)
        self.settle(fresh)
        if fresh:
            say(f"{len(self.lab.hosts)} hosts are up after {time.monotonic() - started:.1f} s")

    def settle(self, started: Sequence[Host]) -> None:
        """Waits for the boots, learns the host keys, and proves that SSH answers.

        Raises:
            LabError: a host did not boot, came up with failed units, or refuses the lab's key.
        """
        ids = {
            item["Names"][0]: item["Id"]
            for item in json.loads(podman("ps", "--filter", f"label={LABEL}={self.lab.name}", "--format", "json"))
        }
        notes, digest = self.notes(), self.files_digest()

        def known(host: Host) -> dict[str, str]:
            name = self.lab.container(host)
            return notes.get(name, {}) if notes.get(name, {}).get("id") == ids.get(name) else {}

        def settle_one(host: Host) -> dict[str, str]:
            container, note = self.lab.container(host), known(host)
            if host not in started and note.get("files") == digest:
                self.wait_for_ssh_port(host)
                return note
            if note.get("files") != digest:
                self.put_files(host)
            host_key, failed = self.wait_for_boot(host)
            if failed and not note:
                raise LabError(
                    f"{host.name} came up with failed units: {', '.join(failed)}. Read: podman logs {container}"
                )
            if failed:
                say(f"{host.name} is up; failed units there: {', '.join(failed)}")
            self.wait_for_ssh_port(host)
            return {"id": ids[container], "files": digest, "host_key": host_key}

        settled = self.each(self.lab.hosts, settle_one)
        write(
            self.lab.directory / "known_hosts",
            known_hosts(self.lab, {name: note["host_key"] for name, note in settled.items()}),
        )
        write(self.lab.directory / "ssh_config", ssh_config(self.lab))
        by_name = {host.name: host for host in self.lab.hosts}
        changed = {name: note for name, note in settled.items() if note != notes.get(self.lab.container(by_name[name]))}
        # Through the real door, with host-key checking, before anybody else has to find out.
        self.each([by_name[name] for name in sorted(changed)], self.prove_ssh)
        kept = {self.lab.container(by_name[name]): note for name, note in settled.items()}
        write(self.notes_file, json.dumps(kept, indent=1, sort_keys=True))

    def wait_for_boot(self, host: Host) -> tuple[str, list[str]]:
        """(public host key, failed units) of a host whose boot has ended."""
        container = self.lab.container(host)
        settings = ["--env", f"NO_JAVA={'' if host.java else 'yes'}", "--env", f"LIMIT={BOOT_LIMIT}"]
        command = ["podman", "exec", *settings, container, "sh", "-c", BOOTED]
        last = ""

        def booted() -> tuple[str, list[str]] | None:
            nonlocal last
            done = run(command, check=False, limit=BOOT_LIMIT + 30)
            lines = done.stdout.split("\n")
            last = (done.stderr or done.stdout).strip()
            if done.returncode == 0 and lines[0] in ("running", "degraded") and lines[1].startswith("ssh-"):
                return lines[1].strip(), [line for line in lines[2:] if line]
            return None

        return wait_for(booted, BOOT_LIMIT, lambda: f"{host.name} did not boot: {last}. Read: podman logs {container}")

    def wait_for_ssh_port(self, host: Host) -> None:
        last = ""

        def answers() -> bool:
            nonlocal last
            try:
                with socket.create_connection((host.address, 22), timeout=5) as connection:
                    return connection.recv(4) == b"SSH-"
            except OSError as error:
                last = str(error)
                return False

        container = self.lab.container(host)
        wait_for(
            answers,
            30,
            lambda: f"{host.name} ({host.address}) does not answer SSH: {last}. See: podman exec {container} "
            "systemctl status ssh; or make it anew: up --fresh",
        )

    def prove_ssh(self, host: Host) -> None:
        options = ["-F", str(self.lab.directory / "ssh_config"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
        run(["ssh", *options, host.address, "sudo", "-n", "true"], limit=30)

    def each(self, hosts: Sequence[Host], work: Callable[[Host], Any]) -> dict[str, Any]:
        """Does the work for all hosts side by side.

        Raises:
            LabError: with what went wrong on each host, after all of them have ended.
        """
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(len(hosts), 1)) as pool:
            futures = {host.name: pool.submit(work, host) for host in hosts}
        errors = [str(future.exception()) for future in futures.values() if future.exception()]
        if errors:
            raise LabError("\n  ".join(errors))
        return {name: future.result() for name, future in futures.items()}

    def remove(self, containers: Sequence[str]) -> None:
        """Pulls the plug: killing is how a host goes away here, and is quicker than a shutdown that nobody needs."""
        if containers:
            podman("rm", "--force", "--ignore", "--time", "0", "--volumes", *containers)

    def down(self) -> None:
        """Removes hosts, network, volumes and the lab's directory; the images stay for the next time."""
        self.remove(sorted(self.containers()))
        if run(["podman", "network", "exists", self.lab.prefix], check=False).returncode == 0:
            podman("network", "rm", "--force", self.lab.prefix)
        volumes = podman("volume", "ls", "--quiet", "--filter", f"label={LABEL}={self.lab.name}").split()
        if volumes:
            podman("volume", "rm", "--force", *volumes)
        shutil.rmtree(self.lab.directory, ignore_errors=True)

    def find(self, names: Sequence[str]) -> list[Host]:
        """Hosts by full or short name; `all` means every host."""
        chosen = [host for host in self.lab.hosts if {host.name, host.short, "all"} & set(names)]
        unknown = set(names) - {"all"} - {part for host in self.lab.hosts for part in (host.name, host.short)}
        if unknown or not chosen:
            raise LabError(
                f"No such host: {', '.join(sorted(unknown))}. There is {', '.join(h.name for h in self.lab.hosts)}."
            )
        return chosen

    def power(self, action: str, names: Sequence[str]) -> None:
        """off: power loss. on: boot, and wait for it. reboot: a clean one, of all named hosts at once, and wait."""
        hosts = self.find(names)
        states = self.containers()
        if action == "off":
            self.each(
                [host for host in hosts if states.get(self.lab.container(host), ("",))[0] == "running"],
                lambda host: podman("kill", "--signal", "KILL", self.lab.container(host)),
            )
            return
        self.each(hosts, self.restart if action == "reboot" else lambda host: podman("start", self.lab.container(host)))
        self.each(hosts, self.wait_for_boot)
        self.each(hosts, self.wait_for_ssh_port)

    def restart(self, host: Host) -> None:
        """A clean reboot. Where podman stopped the host and could not start it again, it is told to start it once more."""
        container = self.lab.container(host)
        try:
            podman("restart", container, limit=180)
        except LabError as error:
            say(f"{host.name}: {error}")
            podman("start", container)

    def status(self) -> bool:
        """Prints a line a host; true when all of them run."""
        states = self.containers()
        complete = True
        for host in self.lab.hosts:
            state = states.get(self.lab.container(host), ("absent", ""))[0]
            complete = complete and state == "running"
            print(f"{host.name:24} {host.address:15} {host.suite:10} {self.lab.container(host):24} {state}")
        return complete
