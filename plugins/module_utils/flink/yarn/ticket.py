"""A ticket of Flink's keytab, for a web of YARN that asks for one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn.resource_manager import (
    TIMEOUT,
    NegotiateError,
    Web,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.credentials import KERBEROS, Credentials
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    AuthRefused,
    ConnectionFailed,
    LibraryMissing,
)

#: Less than any ticket lives. A run that takes many slow savepoints outlives one.
SECONDS = 60.0


def web(keytab: str, principal: str, clock: Callable[[], float] = time.monotonic) -> Web:
    """The web of YARN, as Flink comes to it.

    Args:
        keytab: path; empty where Flink has none.
        principal: whose key is in it.
        clock: seconds.
    """
    taken: list[float] = []

    def take() -> None:
        if not keytab:
            raise NegotiateError(
                "it asks for Kerberos, and Flink has no keytab (flink_ha_zookeeper_auth: kerberos, or flink_ha_kerberos_contexts)"
            )
        if not os.path.exists(keytab):
            raise NegotiateError(f"it asks for Kerberos, and {keytab} is not there", later=True)
        try:
            anew = not taken or clock() - taken[-1] > SECONDS
            Credentials(KERBEROS, keytab=keytab, principal=principal).prepare(TIMEOUT, anew)
            if anew:
                taken.append(clock())
        except LibraryMissing as error:
            raise NegotiateError(f"it asks for Kerberos: {error}", later=True) from error
        except (AuthRefused, ConnectionFailed) as error:
            raise NegotiateError(f"it asks for Kerberos: {error}") from error

    return Web(principal if keytab else "", take)
