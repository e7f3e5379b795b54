#!/usr/bin/env python3
"""The lab: hosts for the demo, for Molecule and for benchmarks, made from an inventory.

A host is a container that boots systemd under podman, with an address and a name of its own, reached by SSH as an
unprivileged user with sudo. What an inventory says is what is made; nothing is described twice.

Variables that all hosts share:
    lab_name     names containers, network and volumes (`sq-<lab_name>-…`) and the directory `.lab/<lab_name>/`,
                 which holds the SSH key, the known hosts, an ssh_config that uses both, and the lab's own notes.
    lab_subnet   a network inside 198.18.0.0/15 (set aside for benchmarks, routed nowhere); one for each lab.
Variables of a host:
    ansible_host      its address.
    lab_image         suite of Debian: bookworm (the default) or trixie.
    lab_java          false removes the Java that images carry (default true).
    lab_volumes       ["shared:/shared"]: volumes of the lab, the same in every host that names them.
    lab_tmpfs         ["/srv/small:size=16m"]: a small disk, empty again after a reboot.
    lab_capabilities  more Linux capabilities, beside those that root has on an ordinary host.
    lab_devices       ["/dev/fuse"]: devices of the machine.

Standard library only: it runs before anything is installed. It needs root, since rootless podman gives hosts no
addresses that the machine can reach.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.util
import ipaddress
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

PROJECT = Path(__file__).resolve().parents[2]
LAB_ROOT = PROJECT / ".lab"
COMMAND = "molecule/shared/lab.py"
LABEL = "streamquorum.lab"
LABEL_SPEC = "streamquorum.lab.spec"
IMAGE = "localhost/streamquorum-lab"
SOCKETS = "~/.ansible/cp"
BENCHMARK_RANGE = ipaddress.IPv4Network("198.18.0.0/15")

#: Seconds within which a host must have booted. Seven at once take about 5 on 2 cores.
BOOT_LIMIT = 120

#: What root has on an ordinary host and podman leaves out: network administration (tests cut a host off), ping, mount
#: namespaces (without SYS_ADMIN systemd skips the sandbox of a unit without a word), reading another user's /proc
#: (who listens on a port), audit records (sshd, sudo). Left out on purpose: what reaches the machine, such as its clock.
DEFAULT_CAPABILITIES = {"NET_ADMIN": 12, "NET_RAW": 13, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "AUDIT_WRITE": 29}

SUITES = {"bookworm": "openjdk-17-jre-headless", "trixie": "openjdk-21-jre-headless"}
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "ca-certificates"),
    *("python3", "python3-apt", "iproute2", "iptables", "procps", "less", "curl"),
)

#: Runs in the new root file system ($1), as the last step of a build.
IMAGE_SETUP = r"""#!/bin/sh
set -eu
root=$1
chroot "$root" useradd --create-home --shell /bin/bash --uid 1000 ops
install -d -m 0700 -o 1000 -g 1000 "$root/home/ops/.ssh"
printf 'ops ALL=(ALL) NOPASSWD: ALL\n' > "$root/etc/sudoers.d/ops"
chmod 0440 "$root/etc/sudoers.d/ops"
printf 'PasswordAuthentication no\nPermitRootLogin no\n' > "$root/etc/ssh/sshd_config.d/lab.conf"

# Every host makes a key of its own at its first boot; the package's would be the same on all.
rm -f "$root"/etc/ssh/ssh_host_*
cat > "$root/etc/systemd/system/lab-host-key.service" <<'UNIT'
[Unit]
Description=SSH host key
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
[Install]
WantedBy=multi-user.target
UNIT
chroot "$root" systemctl --quiet enable lab-host-key.service ssh.service

# Timers that take apt's lock in the middle of a test.
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
install -d "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nSystemMaxUse=64M\n' > "$root/etc/systemd/journald.conf.d/lab.conf"
: > "$root/etc/machine-id"
rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
"""

#: Kept in the hosts as well: packages that roles install there are quicker without documentation and fsync. Manual
#: pages stay: Java's package links its own, and fails without their directory.
DPKG_OPTIONS = (
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/locale/*",
)

#: What the lab needs of the machine: packages of Debian and its derivatives, with the command or file that proves each.
REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "podman": ("podman",),
    "crun": ("crun",),
    "runc": ("runc",),
    "netavark": ("/usr/lib/podman/netavark", "/usr/libexec/podman/netavark", "netavark"),
    "mmdebstrap": ("mmdebstrap",),
    "debian-archive-keyring": ("/usr/share/keyrings/debian-archive-keyring.gpg",),
    "iptables": ("iptables",),
    "nftables": ("nft",),
    "openssh-client": ("ssh",),
    # The bundle is assembled by the registries' own clients; the tests compile a job of their own.
    "maven": ("mvn",),
    "default-jdk-headless": ("javac",),
    "krb5-user": ("kadmin",),
}


Answer = TypeVar("Answer")


class LabError(Exception):
    """A refusal or failure, in words that say cause and next step."""


# --- What an inventory describes (pure) ------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Host:
    """One host of a lab, as its inventory describes it."""

    name: str
    address: str
    suite: str = "bookworm"
    java: bool = True
    volumes: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        return self.name.split(".")[0]


@dataclasses.dataclass(frozen=True)
class Lab:
    """A lab: its name, its network and its hosts sorted by name."""

    name: str
    subnet: str
    hosts: tuple[Host, ...]

    @property
    def prefix(self) -> str:
        return f"sq-{self.name}"

    @property
    def directory(self) -> Path:
        return LAB_ROOT / self.name

    def container(self, host: Host) -> str:
        return f"{self.prefix}-{host.short}"


def read_lab(listing: Mapping[str, Any]) -> Lab:
    """The lab that `ansible-inventory --list` describes.

    Raises:
        LabError: a variable is missing or wrong; every problem is named.
    """
    hostvars: Mapping[str, Mapping[str, Any]] = listing.get("_meta", {}).get("hostvars", {})
    if not hostvars:
        raise LabError("The inventory has no hosts. Name the directory of a lab's inventory, such as inventory/lab.")
    problems: list[str] = []

    def shared(variable: str) -> str:
        values = {str(variables.get(variable, "")) for variables in hostvars.values()}
        if len(values) != 1 or values == {""}:
            seen = " and ".join(sorted(value or "none" for value in values))
            problems.append(f"{variable} must be set, the same for all hosts; they have {seen}.")
            return ""
        return values.pop()

    name, subnet = shared("lab_name"), shared("lab_subnet")
    if name and not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", name):
        problems.append(f"lab_name is {name!r}: use lower-case letters, digits and hyphens, at most 20.")
    hosts = tuple(_read_host(host, hostvars[host], problems) for host in sorted(hostvars))
    if subnet:
        problems += network_problems(subnet, hosts)
    if problems:
        raise LabError("The inventory describes no lab:\n  " + "\n  ".join(problems))
    return Lab(name, subnet, hosts)


def _read_host(name: str, variables: Mapping[str, Any], problems: list[str]) -> Host:
    def texts(variable: str) -> tuple[str, ...]:
        value = variables.get(variable, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            problems.append(f"{name}: {variable} must be a list of strings.")
            return ()
        return tuple(value)

    host = Host(
        name=name,
        address=str(variables.get("ansible_host", "")),
        suite=str(variables.get("lab_image", "bookworm")),
        java=variables.get("lab_java", True) is not False,
        volumes=texts("lab_volumes"),
        tmpfs=texts("lab_tmpfs"),
        capabilities=texts("lab_capabilities"),
        devices=texts("lab_devices"),
    )
    if host.suite not in SUITES:
        problems.append(f"{name}: lab_image is {host.suite!r}; there is {' and '.join(SUITES)}.")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", name):
        problems.append(f"{name}: a host's name must be fully qualified and lower-case, such as zk1.lab.test.")
    for volume in host.volumes:
        if not re.fullmatch(r"[a-z0-9-]+:/\S+", volume):
            problems.append(f"{name}: lab_volumes has {volume!r}; write name:/path.")
    return host


def network_problems(subnet: str, hosts: Sequence[Host]) -> list[str]:
    """Refuses addresses outside of the lab's own network, and names or addresses that two hosts share."""
    try:
        network = ipaddress.IPv4Network(subnet)
    except ValueError as error:
        return [f"lab_subnet is {subnet!r}: {error}."]
    if not network.subnet_of(BENCHMARK_RANGE):
        return [f"lab_subnet is {subnet}: take a network inside {BENCHMARK_RANGE}, which nothing else routes."]
    problems = []
    gateway = network.network_address + 1
    addresses: dict[str, str] = {}
    shorts: dict[str, str] = {}
    for host in hosts:
        try:
            address = ipaddress.IPv4Address(host.address)
        except ValueError:
            problems.append(f"{host.name}: ansible_host is {host.address!r}; give it an address of {subnet}.")
            continue
        if address not in network or address in (network.network_address, gateway, network.broadcast_address):
            problems.append(
                f"{host.name}: ansible_host is {address}; take a free one of {subnet} ({gateway} is taken)."
            )
        for taken, key, what in ((addresses, host.address, "address"), (shorts, host.short, "short name")):
            if key in taken:
                problems.append(f"{host.name} and {taken[key]} have the same {what} {key}.")
            taken[key] = host.name
    return problems


def hosts_file(lab: Lab) -> str:
    """/etc/hosts of every host: names of all, both ways; a host's own name is never on loopback."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{host.address} {host.name} {host.short}" for host in lab.hosts]
    return "\n".join(lines) + "\n"


def known_hosts(lab: Lab, keys: Mapping[str, str]) -> str:
    """The lab's known_hosts, from the public key that each host generated; `keys` is by host name."""
    return "".join(f"{host.name},{host.address} {' '.join(keys[host.name].split()[:2])}\n" for host in lab.hosts)


def ssh_config(lab: Lab) -> str:
    """The lab's ssh_config, the one way in for Ansible, testinfra and people: `ssh -F .lab/demo/ssh_config zk1`.

    Host keys are checked against those that the lab read from the hosts past the network, and nothing else; the user's
    own configuration, keys and agent play no part.
    """
    lines = []
    for host in lab.hosts:
        lines += [f"Host {host.name} {host.short}", f"    HostName {host.address}"]
    lines += [
        "Host *",
        "    User ops",
        f'    IdentityFile "{lab.directory / "id_ed25519"}"',
        "    IdentitiesOnly yes",
        "    IdentityAgent none",
        f'    UserKnownHostsFile "{lab.directory / "known_hosts"}"',
        "    GlobalKnownHostsFile none",
        "    StrictHostKeyChecking yes",
        "    PasswordAuthentication no",
        # One connection for many commands. Ansible names a socket of its own beside these; a longer path than this
        # would not fit into a socket's name in a deep checkout.
        "    ControlMaster auto",
        "    ControlPersist 60",
        f"    ControlPath {SOCKETS}/lab-%C",
    ]
    return "\n".join(lines) + "\n"


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


def limits(nofile_hard: int, nproc_hard: int) -> dict[str, int]:
    """Limits of a host: never above the machine's own, which podman may not raise; -1 is unlimited."""

    def at_most(cap: int, hard: int) -> int:
        return cap if hard < 0 else min(cap, hard)

    return {"nofile": at_most(65536, nofile_hard), "nproc": at_most(32768, nproc_hard)}


def default_capabilities(bounding: int) -> list[str]:
    """The default capabilities that this machine can hand out; `bounding` is CapBnd of /proc/self/status."""
    return sorted(name for name, bit in DEFAULT_CAPABILITIES.items() if bounding >> bit & 1)


def runtime_order(mounts: str) -> tuple[str, str]:
    """Runtimes to try, the likelier first; `mounts` is /proc/self/mounts. crun refuses cgroup v1 and v2 together."""
    kinds = {line.split()[2] for line in mounts.splitlines() if len(line.split()) > 2}
    return ("runc", "crun") if "cgroup" in kinds else ("crun", "runc")


def mirrors(targets: str, codename: str) -> tuple[str, str]:
    """Debian's archive and security archive, taken from the machine's own apt sources.

    Args:
        targets: lines `URI|release|component` of `apt-get indextargets`.
        codename: the machine's suite of Debian; empty on a derivative, whose mirrors have no Debian.

    Raises:
        LabError: the machine's sources name no archive of Debian.
    """
    archive = security = ""
    for line in reversed(targets.splitlines() if codename else []):
        uri, release, component = [*line.split("|"), "", ""][:3]
        if component == "main" and release == codename:
            archive = uri.rstrip("/")
        elif component == "main" and release == f"{codename}-security":
            security = uri.rstrip("/")
    if not archive:
        raise LabError(
            "The apt sources of this machine name no archive of Debian, which the host images come from. Name a mirror: "
            "STREAMQUORUM_LAB_MIRROR=URL[,URL of its security archive]."
        )
    return archive, security or f"{archive}-security"


def apt_settings(dump: str) -> str:
    """Settings of the machine's apt that its hosts need as well to reach the archive: proxies, dates of the archive."""
    wanted = re.compile(r'^Acquire::(https?::Proxy|Check-Valid-Until|Check-Date) ".+";$')
    return "".join(f"{line}\n" for line in dump.splitlines() if wanted.match(line))


def apt_sources(suite: str, archive: str, security: str) -> list[str]:
    return [
        f"deb {archive} {suite} main",
        f"deb {archive} {suite}-updates main",
        f"deb {security} {suite}-security main",
    ]


def recipe(suite: str, sources: Sequence[str], settings: str) -> dict[str, Any]:
    """All that decides what is in an image."""
    return {
        "suite": suite,
        "packages": [*PACKAGES, SUITES[suite]],
        "sources": list(sources),
        "settings": settings,
        "dpkg": DPKG_OPTIONS,
        "setup": IMAGE_SETUP,
    }


def image_name(what: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
    return f"{IMAGE}:{what['suite']}-{digest}"


def missing_packages(present: Callable[[str], bool], cgroup_order: Sequence[str]) -> list[str]:
    """Packages whose commands and files are absent. Of the two runtimes the likelier one is enough."""
    needed = {name: proofs for name, proofs in REQUIREMENTS.items() if name not in ("crun", "runc")}
    needed[cgroup_order[0]] = REQUIREMENTS[cgroup_order[0]]
    return sorted(name for name, proofs in needed.items() if not any(present(proof) for proof in proofs))


def python_problems(version: tuple[int, ...]) -> list[str]:
    """Refuses a controller's Python that ansible-core 2.19 does not take."""
    if version >= (3, 11):
        return []
    return [
        f"Python is {'.'.join(map(str, version))}, and ansible-core 2.19 needs 3.11 or newer: install one and name it, "
        "as in `make PYTHON=python3.12 demo`."
    ]


# --- The machine -----------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str], *, check: bool = True, data: bytes | None = None, limit: float = 120, cwd: Path = PROJECT
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end.

    Raises:
        LabError: it failed (with `check`), is missing, or took longer than `limit` seconds.
    """
    try:
        done = subprocess.run(list(command), input=data, capture_output=True, timeout=limit, cwd=cwd, check=False)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed. Run as root: {COMMAND} requirements --install") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command)}` did not end in {limit:.0f} s.") from None
    result = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and result.returncode:
        raise LabError(
            f"`{' '.join(command)}` failed ({result.returncode}): {(result.stderr or result.stdout).strip()}"
        )
    return result


def podman(*arguments: str, check: bool = True, data: bytes | None = None, limit: float = 120) -> str:
    return run(["podman", *arguments], check=check, data=data, limit=limit).stdout


def present(proof: str) -> bool:
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof) is not None


def require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("Root is needed, for hosts with addresses of their own. Run it again as root or with sudo.")


def requirements(install: bool) -> None:
    """Checks what the lab needs of this machine, and installs what is missing.

    Raises:
        LabError: something is missing and may not or cannot be installed here; says what to install.
    """
    problems = python_problems(tuple(sys.version_info[:3]))
    packages = missing_packages(present, runtime_order(Path("/proc/self/mounts").read_text()))
    if importlib.util.find_spec("ensurepip") is None:
        packages.append("python3-venv")
    if os.geteuid() != 0:
        problems.append("Root is needed, for hosts with addresses of their own: run it as root or with sudo.")
    if packages and (not install or problems or not shutil.which("apt-get")):
        remedy = f"Run as root: {COMMAND} requirements --install" if shutil.which("apt-get") else "Install them."
        problems.append(f"Missing (names as Debian has them): {' '.join(packages)}. {remedy}")
    if problems:
        raise LabError("This machine cannot boot the lab:\n  " + "\n  ".join(problems))
    if packages:
        say(f"installing {' '.join(packages)} with apt-get (usually 20 to 60 s)")
        environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
        run([*environment, "apt-get", "update", "-q"], limit=600)
        run([*environment, "apt-get", "install", "-qy", "--no-install-recommends", *packages], limit=1200)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the kernel lets go when the holder ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run ({path.name})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replaces a file at once: a killed run leaves the old or the new one."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(text)
    beside.chmod(mode)
    beside.replace(path)


def ansible_inventory() -> str:
    """ansible-inventory of the running environment, of the checkout's, or of PATH."""
    for place in (Path(sys.executable).parent, PROJECT / ".venv" / "bin"):
        if (place / "ansible-inventory").exists():
            return str(place / "ansible-inventory")
    found = shutil.which("ansible-inventory")
    if found:
        return found
    raise LabError("ansible-inventory is not installed. Make the environment first: make setup")


def load(inventory: Path) -> Lab:
    if not inventory.exists():
        raise LabError(f"There is no inventory at {inventory}.")
    done = run([ansible_inventory(), "-i", str(inventory.resolve()), "--list"], limit=60)
    listing: Mapping[str, Any] = json.loads(done.stdout)
    return read_lab(listing)


# --- Images ----------------------------------------------------------------------------------------------------------


def machine_recipe(suite: str) -> dict[str, Any]:
    """The recipe of a suite with this machine's mirrors. STREAMQUORUM_LAB_MIRROR names others: archive,security."""
    named = os.environ.get("STREAMQUORUM_LAB_MIRROR", "")
    if named:
        archive, _comma, security = named.partition(",")
        security = security or f"{archive}-security"
    else:
        release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', Path("/etc/os-release").read_text(), re.MULTILINE))
        query = ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"]
        targets = run(query).stdout if shutil.which("apt-get") else ""
        archive, security = mirrors(
            targets, release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""
        )
    settings = ""
    if shutil.which("apt-config"):
        settings = apt_settings(run(["apt-config", "dump"]).stdout)
    return recipe(suite, apt_sources(suite, archive, security), settings)


def ensure_image(suite: str, rebuild: bool = False) -> str:
    """The image of a suite, built where its recipe has none yet. Returns its name."""
    what = machine_recipe(suite)
    name = image_name(what)

    def exists() -> bool:
        return run(["podman", "image", "exists", name], check=False).returncode == 0

    if not rebuild and exists():
        return name
    with locked(LAB_ROOT / "image.lock"):
        if not rebuild and exists():
            return name
        say(
            f"building the host image of Debian {suite} from {what['sources'][0].split()[1]} (usually 30 to 60 s, once)"
        )
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="streamquorum-lab-") as scratch:
            archive, setup = Path(scratch) / "rootfs.tar", Path(scratch) / "setup.sh"
            setup.write_text(what["setup"])
            setup.chmod(0o755)
            command = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(what['packages'])}"]
            command += ["--keyring=/usr/share/keyrings/debian-archive-keyring.gpg", f"--customize-hook={setup}"]
            command += [f"--dpkgopt={option}" for option in what["dpkg"]]
            command += [f"--aptopt={line}" for line in what["settings"].splitlines()]
            run([*command, suite, str(archive), *what["sources"]], limit=1200)
            podman("import", "--quiet", str(archive), name, limit=600)
        say(f"image {name} built in {time.monotonic() - started:.0f} s")
        remove_images(keep=name, suite=suite)
    return name


def remove_images(keep: str = "", suite: str = "") -> None:
    """Removes the lab's images (of one suite), except `keep` and those that a container still uses."""
    for name in podman("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        if name.startswith(f"{IMAGE}:{suite}") and name != keep:
            podman("rmi", name, check=False)


def choose_runtime(image: str) -> str:
    """crun or runc: the first that starts a container here. Asked once; asked again when the machine changes."""
    mounts = Path("/proc/self/mounts").read_text()
    kinds = sorted(line for line in mounts.splitlines() if " cgroup" in line)
    machine = json.dumps([os.uname().release, kinds, [shutil.which("crun"), shutil.which("runc")]])
    digest = hashlib.sha256(machine.encode()).hexdigest()[:12]
    cache = LAB_ROOT / "runtime"
    with contextlib.suppress(OSError, ValueError):
        runtime, known = cache.read_text().split()
        if known == digest:
            return runtime
    errors = []
    for runtime in runtime_order(mounts):
        if not shutil.which(runtime):
            errors.append(f"{runtime}: not installed")
            continue
        command = ["podman", "--runtime", runtime, "run", "--rm", "--network=none", "--systemd=always"]
        tried = run([*command, *limit_arguments(), image, "/bin/true"], check=False)
        if tried.returncode == 0:
            write(cache, f"{runtime} {digest}\n")
            return runtime
        errors.append(f"{runtime}: {tried.stderr.strip()}")
    raise LabError("No container runtime works on this machine:\n  " + "\n  ".join(errors))


def machine_limits() -> dict[str, int]:
    return limits(resource.getrlimit(resource.RLIMIT_NOFILE)[1], resource.getrlimit(resource.RLIMIT_NPROC)[1])


def limit_arguments() -> list[str]:
    return [part for name, value in machine_limits().items() for part in ("--ulimit", f"{name}={value}:{value}")]


def machine_capabilities() -> list[str]:
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return default_capabilities(int(found.group(1), 16) if found else 0)


# --- Hosts -----------------------------------------------------------------------------------------------------------

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
        """Brings all hosts up; leaves those alone that run. Can be killed anywhere and run again."""
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
        verb = "restart" if action == "reboot" else "start"
        self.each(hosts, lambda host: podman(verb, self.lab.container(host), limit=180))
        self.each(hosts, self.wait_for_boot)
        self.each(hosts, self.wait_for_ssh_port)

    def status(self) -> bool:
        """Prints a line a host; true when all of them run."""
        states = self.containers()
        complete = True
        for host in self.lab.hosts:
            state = states.get(self.lab.container(host), ("absent", ""))[0]
            complete = complete and state == "running"
            print(f"{host.name:24} {host.address:15} {host.suite:10} {self.lab.container(host):24} {state}")
        return complete


def wait_for(condition: Callable[[], Answer | None], limit: float, failure: Callable[[], str]) -> Answer:
    """Asks until the answer is true; raises LabError with `failure` after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise LabError(failure())
        time.sleep(0.2)


# --- Commands --------------------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="lab.py", description=(__doc__ or "").split("\n")[0])
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument("--inventory", "-i", type=Path, required=True, help="directory of the lab's inventory")
        return made

    up = command("up", "boot the hosts; those that run are left alone")
    up.add_argument("--fresh", action="store_true", help="remove what is there first")
    down = command("down", "remove hosts, network, volumes and the lab's keys")
    down.add_argument("--images", action="store_true", help="remove the host images as well")
    image = command("image", "build the images that the hosts need")
    image.add_argument("--rebuild", action="store_true", help="even where the recipe has not changed (newer packages)")
    command("status", "list the hosts; exit code 1 where one does not run")
    power = command("power", "switch hosts off (power loss) and on, or reboot them")
    power.add_argument("action", choices=["off", "on", "reboot"])
    power.add_argument("hosts", nargs="+", help="names, or all")
    execute = command("exec", "run a command as root in a host, past SSH")
    execute.add_argument("host")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="command")
    needs = commands.add_parser("requirements", help="check what the lab needs of this machine")
    needs.add_argument("--install", action="store_true", help="install what is missing with apt-get")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        if given.command == "requirements":
            requirements(given.install)
            return 0
        require_root()
        hosts = Hosts(load(given.inventory))
        if given.command == "exec":
            words = given.words[1:] if given.words[:1] == ["--"] else given.words
            container = hosts.lab.container(hosts.find([given.host])[0])
            return subprocess.run(["podman", "exec", container, *words], check=False).returncode
        if given.command == "status":
            return 0 if hosts.status() else 1
        with locked(LAB_ROOT / f"{hosts.lab.name}.lock"):
            if given.command == "image":
                for suite in sorted({host.suite for host in hosts.lab.hosts}):
                    print(ensure_image(suite, given.rebuild))
            elif given.command == "power":
                hosts.power(given.action, given.hosts)
            elif given.command == "down":
                hosts.down()
                if given.images:
                    remove_images()
            else:
                if given.fresh:
                    hosts.down()
                hosts.up()
    except LabError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
