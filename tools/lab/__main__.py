"""The command line: `python3 tools/lab up --inventory inventory/lab`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a directory, which Python would search for modules: the folder above it has the package `lab`.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import lab
from lab.hosts import Hosts
from lab.image import ensure_image, remove_images
from lab.inventory import Lab, read_lab
from lab.machine import ansible_inventory, require_root, requirements
from lab.run import COMMAND, LabError, run, say
from lab.state import LAB_ROOT, locked


def load(inventory: Path) -> Lab:
    if not inventory.exists():
        raise LabError(f"There is no inventory at {inventory}.")
    done = run([ansible_inventory(), "-i", str(inventory.resolve()), "--list"], limit=60)
    listing: Mapping[str, Any] = json.loads(done.stdout)
    return read_lab(listing)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog=COMMAND, description=(lab.__doc__ or "").partition("\n")[0])
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
