"""The images that hosts are made of: what is in one, and how it is built."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.inventory import SUITES
from lab.run import LabError, podman, run, say
from lab.state import LAB_ROOT, locked

IMAGE = "localhost/streamquorum-lab"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "ca-certificates"),
    *("python3", "python3-apt", "iproute2", "iptables", "procps", "less", "curl"),
)

#: Many short lives of Java on few cores: the first compiler alone and classes that nobody verifies take half of the CPU of a start. What a
#: service is started with comes after it.
JAVA_TOOL_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"

#: Runs in the new root file system ($1), as the last step of a build; $JAVA_TOOL_OPTIONS is the one above.
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

# For services; for sessions by SSH and sudo.
install -d "$root/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultEnvironment="JAVA_TOOL_OPTIONS=%s"\n' "$JAVA_TOOL_OPTIONS" > "$root/etc/systemd/system.conf.d/lab.conf"
printf 'JAVA_TOOL_OPTIONS="%s"\n' "$JAVA_TOOL_OPTIONS" > "$root/etc/environment"
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
        "setup": IMAGE_SETUP.replace("$JAVA_TOOL_OPTIONS", JAVA_TOOL_OPTIONS),
        # For what is run past the network.
        "change": f'ENV JAVA_TOOL_OPTIONS="{JAVA_TOOL_OPTIONS}"',
    }


def image_name(what: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
    return f"{IMAGE}:{what['suite']}-{digest}"


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
            podman("import", "--quiet", "--change", what["change"], str(archive), name, limit=600)
        say(f"image {name} built in {time.monotonic() - started:.0f} s")
        remove_images(keep=name, suite=suite)
    return name


def remove_images(keep: str = "", suite: str = "") -> None:
    """Removes the lab's images (of one suite), except `keep` and those that a container still uses."""
    for name in podman("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        if name.startswith(f"{IMAGE}:{suite}") and name != keep:
            podman("rmi", name, check=False)
