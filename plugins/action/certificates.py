"""Certificates for a host: read or made on the controller, judged, and given as entries of host_files."""

from __future__ import annotations

import base64
import datetime
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.module_utils.pki import certificates
from ansible_collections.streamquorum.ha.plugins.module_utils.pki.certificates import (
    Authority,
    Bundle,
    CertificateError,
)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        host = str((task_vars or {}).get("inventory_hostname", ""))
        now = datetime.datetime.now(datetime.UTC)
        problems: list[str] = []
        soon: list[str] = []
        entries: list[dict[str, Any]] = []
        stores: dict[str, str] = {}
        for wanted in self._task.args["wanted"]:
            what = f"{host}: {wanted['variable']}"
            try:
                found = self._find(wanted, host, now)
                known = (
                    certificates.anchors(wanted["trusted"].encode(), wanted["ca_path"]) if wanted.get("trusted") else []
                )
            except (CertificateError, AnsibleError, OSError) as error:
                problems.append(f"{what}: {getattr(error, 'message', error)}")
                continue
            if not wanted.get("src"):
                problems += self._authority(wanted).trust_problems(known, what)
            if found is None:
                continue
            bundle, authorities = found
            problems += certificates.problems(bundle, authorities, wanted["names"], now, what)
            if wanted.get("src"):
                problems += certificates.trust_problems(bundle, known, what)
            soon += certificates.warnings(bundle, now, self._days("renew_days", 30), what)
            entries += _entries(wanted, bundle, authorities)
            if wanted.get("store_password"):
                made, paths = _stores(wanted, bundle, authorities)
                entries += made
                stores |= paths
        result |= {"changed": False, "problems": problems, "soon": soon}
        return result if self._inspects() else result | {"entries": entries, "stores": stores}

    def _days(self, name: str, default: int) -> int:
        return int(self._task.args.get(name, default))

    def _inspects(self) -> bool:
        return bool(self._task.args.get("only_inspect", False))

    def _find(self, wanted: dict[str, Any], host: str, now: datetime.datetime) -> tuple[Bundle, Any] | None:
        if wanted.get("src"):
            return (
                certificates.parse(self._read(wanted["src"]), wanted["src"]),
                certificates.anchors(self._read(wanted["ca"]), wanted["ca"]),
            )
        authority = self._authority(wanted)
        host = wanted.get("holder") or host
        renew = self._days("renew_days", 30)
        if not (self._inspects() or self._task.check_mode):
            return authority.issue(host, wanted["subject"], wanted["names"], self._days("days", 397), renew, now)
        found = authority.peek(host)
        # What is to be made anew is no reason to refuse.
        return found if found and not authority.stale(found, wanted["subject"], wanted["names"], renew, now) else None

    def _authority(self, wanted: dict[str, Any]) -> Authority:
        return Authority(Path(self._task.args["authority_dir"]) / wanted["authority"], wanted["authority"])

    def _read(self, name: str) -> bytes:
        return Path(self._loader.get_real_file(self._find_needle("files", name))).read_bytes()


def _entries(wanted: dict[str, Any], bundle: Bundle, authorities: Any) -> list[dict[str, Any]]:
    return [
        {"path": wanted["path"], "secret_content": bundle.pem(), "group": wanted["group"], "mode": "0440"},
        {"path": wanted["ca_path"], "content": certificates.authorities_pem(authorities), "mode": "0444"},
    ]


def _stores(wanted: dict[str, Any], bundle: Bundle, authorities: Any) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Entries of the stores, and their paths, which tell what they were made of: those of before stay as they are."""
    key_store, trust_store, made_of = certificates.stores(bundle, authorities, wanted["store_password"])
    paths = {name: f"-{made_of}".join(os.path.splitext(wanted[name])) for name in ("key_store", "trust_store")}
    contents = {"key_store": key_store, "trust_store": trust_store}
    return [
        {
            "path": path,
            "secret_base64": base64.b64encode(contents[name]).decode(),
            "once": True,
            "group": wanted["group"],
            "mode": "0440",
        }
        for name, path in paths.items()
    ], paths
