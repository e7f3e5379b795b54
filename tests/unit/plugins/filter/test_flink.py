"""The filters of flink_ha fail in words."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.streamquorum.ha.plugins.filter.flink import FilterModule

FILTERS = FilterModule().filters()


def test_a_value_that_cannot_be_written_is_told_in_words():
    options = [{"name": "a", "keys": {"1.0": "a.b"}, "variable": "flink_ha_a", "scopes": ["client"]}]
    with pytest.raises(AnsibleFilterError, match=r"a\.b contains '#'"):
        FILTERS["flink_client_config"](options, "1.18.1", "flink-conf.yaml", {"a": "x#y"}, {})
    assert FILTERS["flink_client_config"](options, "2.3.0", "config.yaml", {"a": "x#y"}, {}).endswith('a.b: "x#y"\n')


def test_every_filter_carries_the_roles_name():
    assert all(name.startswith("flink_") for name in FILTERS)
