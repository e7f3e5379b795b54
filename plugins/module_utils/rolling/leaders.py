"""Who else leads on the ensemble that is rolled, and must not notice: systems that zookeeper_clients names, and those that nobody does.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.status import place

Reply = Mapping[str, Any]
NOBODY = {"address": "", "owner": "", "session_id": ""}
#: Paths that a sentence names; of more, how many there are.
_NAMED = 3


def moved(before: Sequence[Reply], now: Sequence[Reply]) -> list[str]:
    """Leaders that are others than before, in words. Of what had none before, or could not be asked then, nothing is asked.

    Args:
        before: replies of `leader_znode`, each with its entry of zookeeper_clients as `item`; without a verdict where it could not be asked.
        now: the same, later.
    """
    told = []
    for was, is_ in zip(before, now, strict=True):
        one = was.get("leader", NOBODY)
        other = is_.get("leader", NOBODY)
        if not one["owner"] or (one["owner"], one["session_id"]) == (other["owner"], other["session_id"]):
            continue
        if "verdict" not in is_:
            new = f"could not be asked: {is_.get('msg', '')}"
        elif other["owner"]:
            new = f"is led by {other['address']} anew"
        else:
            new = f"has no leader ({'; '.join(is_['reasons'])})"
        told.append(f"{place(was['item'])}, which {one['address']} led, {new}")
    return told


def unwatched(elections: Sequence[Mapping[str, Any]], left_out: Sequence[str], watched: Sequence[str]) -> list[str]:
    """Who leads on an ensemble and is looked after by nobody, in words.

    Args:
        elections: kind, path and leader of each.
        left_out: paths that were not searched.
        watched: paths of those that are looked after.
    """
    known = {_normal(path) for path in watched}
    told = [
        f"{place(each)} is led by {each['leader']['address'] or each['leader']['owner']}, and no inventory of this run has it: nobody looks "
        "after it. zookeeper_clients can name it."
        for each in elections
        if each["leader"]["owner"] and _normal(each["path"]) not in known
    ]
    if left_out:
        more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
        told.append(f"Not searched for others who lead: what is below {', '.join(left_out[:_NAMED])}{more}.")
    return told


def _normal(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part)
