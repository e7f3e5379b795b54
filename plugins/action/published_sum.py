"""Action `published_sum`: the sum of a release that nobody has given, from Apache's own hosts, recorded beside the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.module_utils.release import published
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import MARKER, ReleaseError
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs as role_inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils import published_sums, release_source


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables, args = task_vars or {}, self._task.args
        name = str(args["name"])
        wanted = release_source.variables(name)
        tables = role_inputs.values(wanted, self._templar, variables)
        read = role_inputs.read(variables["hostvars"], variables["ansible_play_hosts"], args["inputs"], args["state"])
        given = {host: {**tables, **each[args["inputs"]]["values"]} for host, each in read.items()}
        sums: dict[str, str] = {}
        told: list[str] = []
        reasons: dict[str, str] = {}
        for hosts in alike(given, wanted):
            states = [read[host][args["state"]] for host in hosts]
            try:
                found, text = self._sums(name, given[hosts[0]], _markers(states), published_sums.record_path(variables))
            except ReleaseError as error:
                # A refusal by the plan, with everything else that is wrong.
                _product, version = release_source.product(name, given[hosts[0]])
                reasons[version] = str(error)
                continue
            sums |= found
            told += [text] if text else []
        for text in told:
            self._display.display(text)
        return result | {"changed": bool(told), "sums": sums, "reasons": reasons}

    def _sums(
        self, name: str, given: Mapping[str, Any], markers: Iterable[str], path: str
    ) -> tuple[dict[str, str], str]:
        """Sums by archive, and what is to be told of one that was read just now."""
        known = published_sums.of_record(path)
        source = release_source.of_role(name, given, known)
        # Flink has no other method.
        if not published.to_ask(source, markers, str(given.get(f"{name}_install_method", "archive"))):
            return known, ""
        archive = str(source["archive"])
        found, url = published_sums.ask(str(source["name"]), str(source["version"]), archive)
        if not self._task.check_mode:
            published_sums.record(path, archive, found, url)
        return known | {archive: found}, f"{archive} has the sum {found}, as {url} says. Recorded in {path}."


def alike(known: Mapping[str, Mapping[str, Any]], wanted: Iterable[str]) -> list[list[str]]:
    """Hosts of which some variables have the same values: each cluster may have a release of its own.

    Args:
        known: values of variables by host.
        wanted: names.
    """
    groups: dict[str, list[str]] = {}
    for host, values in known.items():
        groups.setdefault(repr([values.get(name) for name in wanted]), []).append(host)
    return list(groups.values())


def _markers(states: Iterable[Mapping[str, Any] | None]) -> list[str]:
    """Text of the marker on each host that was read."""
    contents = [state["contents"] for state in states if state and "contents" in state]
    return [text for each in contents for path, text in each.items() if path.endswith(f"/{MARKER}")]
