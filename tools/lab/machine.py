"""What this machine gives: packages, limits, capabilities, a container runtime, Ansible."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import resource
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.run import COMMAND, PROJECT, LabError, run, say
from lab.state import LAB_ROOT, write

#: What root has on an ordinary host and podman leaves out: network administration (tests cut a host off), ping, mount
#: namespaces (without SYS_ADMIN systemd skips the sandbox of a unit without a word), reading another user's /proc
#: (who listens on a port), audit records (sshd, sudo). Left out on purpose: what reaches the machine, such as its clock.
DEFAULT_CAPABILITIES = {"NET_ADMIN": 12, "NET_RAW": 13, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "AUDIT_WRITE": 29}

#: Of a host: what its systemd and the services of Debian open (counted in one that has booted).
INOTIFY_INSTANCES = 7

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


def limits(nofile_hard: int, nproc_hard: int) -> dict[str, int]:
    """Limits of a host: never above the machine's own, which podman may not raise; -1 is unlimited."""

    def at_most(cap: int, hard: int) -> int:
        return cap if hard < 0 else min(cap, hard)

    return {"nofile": at_most(65536, nofile_hard), "nproc": at_most(32768, nproc_hard)}


def machine_limits() -> dict[str, int]:
    return limits(resource.getrlimit(resource.RLIMIT_NOFILE)[1], resource.getrlimit(resource.RLIMIT_NPROC)[1])


def limit_arguments() -> list[str]:
    return [part for name, value in machine_limits().items() for part in ("--ulimit", f"{name}={value}:{value}")]


def inotify_problem(limit: int, used: int, hosts: int) -> str:
    """Why the machine cannot boot so many hosts more; empty where it can. Without its instances, systemd in a host does not come up.

    Args:
        limit: fs.inotify.max_user_instances; all hosts are root's.
        used: instances that are open.
        hosts: those to boot.
    """
    needed = used + hosts * INOTIFY_INSTANCES
    if needed <= limit:
        return ""
    return (
        f"{hosts} more hosts need fs.inotify.max_user_instances of {needed}, and this machine has {limit}. Raise it: "
        f"sysctl -w fs.inotify.max_user_instances={max(512, needed)}"
    )


def inotify_limit() -> int:
    return int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())


def inotify_used() -> int:
    """Instances that all processes of this machine have open: those of its containers too."""
    used = 0
    for path in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it has ended
            used += os.readlink(path) == "anon_inode:inotify"
    return used


def default_capabilities(bounding: int) -> list[str]:
    """The default capabilities that this machine can hand out; `bounding` is CapBnd of /proc/self/status."""
    return sorted(name for name, bit in DEFAULT_CAPABILITIES.items() if bounding >> bit & 1)


def machine_capabilities() -> list[str]:
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return default_capabilities(int(found.group(1), 16) if found else 0)


def runtime_order(mounts: str) -> tuple[str, str]:
    """Runtimes to try, the likelier first; `mounts` is /proc/self/mounts. crun refuses cgroup v1 and v2 together."""
    kinds = {line.split()[2] for line in mounts.splitlines() if len(line.split()) > 2}
    return ("runc", "crun") if "cgroup" in kinds else ("crun", "runc")


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


def ansible_inventory() -> str:
    """ansible-inventory of the running environment, of the checkout's, or of PATH."""
    for place in (Path(sys.executable).parent, PROJECT / ".venv" / "bin"):
        if (place / "ansible-inventory").exists():
            return str(place / "ansible-inventory")
    found = shutil.which("ansible-inventory")
    if found:
        return found
    raise LabError("ansible-inventory is not installed. Make the environment first: make setup")
