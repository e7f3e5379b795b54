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
        for request in self._task.args["requests"]:
            what = f"{host}: {request['variable']}"
            try:
                found = self._find(request, host, now)
                known = (
                    certificates.anchors(request["trusted"].encode(), request["ca_path"])
                    if request.get("trusted")
                    else []
                )
            except (CertificateError, AnsibleError, OSError) as error:
                problems.append(f"{what}: {getattr(error, 'message', error)}")
                continue
            if not request.get("src"):
                problems += self._authority(request).trust_problems(known, what)
            if found is None:
                continue
            bundle, authorities = found
            problems += certificates.problems(bundle, authorities, request["names"], now, what)
            if request.get("src"):
                problems += certificates.trust_problems(bundle, known, what)
            soon += certificates.warnings(bundle, now, self._days("renew_days", 30), what)
            entries += _entries(request, bundle, authorities)
            if request.get("store_password"):
                made, paths = _stores(request, bundle, authorities)
                entries += made
                stores |= paths
        result |= {"changed": False, "problems": problems, "soon": soon}
        return result if self._inspects() else result | {"entries": entries, "stores": stores}

    def _days(self, name: str, default: int) -> int:
        return int(self._task.args.get(name, default))

    def _inspects(self) -> bool:
        return bool(self._task.args.get("only_inspect", False))

    def _find(self, request: dict[str, Any], host: str, now: datetime.datetime) -> tuple[Bundle, Any] | None:
        if request.get("src"):
            return (
                certificates.parse(self._read(request["src"]), request["src"]),
                certificates.anchors(self._read(request["ca"]), request["ca"]),
            )
        authority = self._authority(request)
        host = request.get("holder") or host
        renew = self._days("renew_days", 30)
        if not (self._inspects() or self._task.check_mode):
            return authority.issue(host, request["subject"], request["names"], self._days("days", 397), renew, now)
        found = authority.peek(host)
        # What is to be made anew is no reason to refuse.
        return found if found and not authority.stale(found, request["subject"], request["names"], renew, now) else None

    def _authority(self, request: dict[str, Any]) -> Authority:
        return Authority(Path(self._task.args["authority_dir"]) / request["authority"], request["authority"])

    def _read(self, name: str) -> bytes:
        return Path(self._loader.get_real_file(self._find_needle("files", name))).read_bytes()


def _entries(request: dict[str, Any], bundle: Bundle, authorities: Any) -> list[dict[str, Any]]:
    return [
        {"path": request["path"], "secret_content": bundle.pem(), "group": request["group"], "mode": "0440"},
        {"path": request["ca_path"], "content": certificates.authorities_pem(authorities), "mode": "0444"},
    ]


def _stores(request: dict[str, Any], bundle: Bundle, authorities: Any) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Entries of the stores, and their paths, which tell what they were made of: those of before stay as they are."""
    key_store, trust_store, made_of = certificates.stores(bundle, authorities, request["store_password"])
    paths = {name: f"-{made_of}".join(os.path.splitext(request[name])) for name in ("key_store", "trust_store")}
    contents = {"key_store": key_store, "trust_store": trust_store}
    return [
        {
            "path": path,
            "secret_base64": base64.b64encode(contents[name]).decode(),
            "once": True,
            "group": request["group"],
            "mode": "0440",
        }
        for name, path in paths.items()
    ], paths
