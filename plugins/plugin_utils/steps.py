"""What there is to do for one host of any product, as the task files of its role ask for it. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.plugin_utils import firewall


@dataclass(frozen=True)
class Install:
    """What is missing on the host. Where nothing is, the tasks of the installation are not even looked at."""

    needed: bool
    java: bool
    account: bool
    kerberos: bool
    firewall: bool
    release: bool
    client_library: bool
    java_plan: Mapping[str, Any]
    #: Arguments of the module `release`.
    archive: Mapping[str, Any]


@dataclass(frozen=True)
class Configure:
    """What has to be done before and after the files are written. Where nothing is, the tasks of it are not even looked at."""

    needed: bool
    #: Whether anything on the host differs from what is to be written.
    write: bool
    tls: bool
    firewall: firewall.FirewallPlan
