"""Action part of `flink_leftovers`, the same as that of `leader_znode`."""

from ansible_collections.streamquorum.ha.plugins.action.leader_znode import ActionModule

__all__ = ["ActionModule"]
