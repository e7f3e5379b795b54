"""A role's inputs become objects with types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs


@dataclass(frozen=True)
class Some:
    host: Annotated[str, inputs.NO_VARIABLE]
    on: bool
    port: int
    names: tuple[str, ...]
    more: Mapping[str, Any]
    realm: Annotated[str, inputs.Variable("kerberos_realm")]
    password: str = field(repr=False)


def some(**given):
    return inputs.typed(Some, given, "x_", host="h")


def test_each_field_is_the_variable_with_the_prefix_or_the_one_that_it_names():
    made = some(x_on="yes", x_port="2181", x_names=[1, "b"], x_more={"a": 1}, kerberos_realm="R", x_password=12)
    assert made == Some("h", True, 2181, ("1", "b"), {"a": 1}, "R", "12")


def test_what_is_not_given_is_the_empty_value_of_its_type():
    assert some(x_port=None) == Some("h", False, 0, (), {}, "", "")


def test_what_is_no_variable_is_not_asked_for():
    assert "host" not in inputs.variables(Some, "x_")


def test_a_value_of_another_type_is_an_error():
    with pytest.raises(TypeError):
        some(x_port="many")


def test_a_secret_is_in_no_text_of_the_object():
    assert "canary" not in repr(some(x_password="canary"))


def test_names_come_from_the_specification():
    text = "argument_specs:\n  main:\n    options:\n      a: {type: int}\n      b: {type: str}\n  more: {}\n"
    assert inputs.names(text) == ["a", "b"]


def test_values_are_templated_together_and_what_is_not_defined_is_left_out():
    known = {"path": trust_as_template("{{ other }}/x"), "other": "/a", "table": [{"key": "{{ no template }}"}]}
    found = inputs.values(["path", "table", "missing"], Templar(DataLoader(), variables=known), known)
    assert found == {"path": "/a/x", "table": [{"key": "{{ no template }}"}]}


class HostVars(dict):
    """As Ansible's, which templates what is looked up."""

    def raw_get(self, host):
        return self[host]

    def get(self, host, default=None):
        raise AssertionError("looked up")


def test_what_was_noted_is_read_as_it_is_and_of_the_host_itself():
    known = {"plan": {"tm1": 1}}
    assert inputs.noted(HostVars(tm1=known), "tm1", "plan") == 1
    assert inputs.noted({"tm1": known, "tm2": known}, "tm2", "plan") is None
    assert inputs.noted({"tm1": known}, "tm1", "other") is None
    assert inputs.noted({}, "tm1", "plan") is None


def test_hosts_that_lack_one_of_the_variables_are_left_out():
    hosts = HostVars(tm1={"given": 1, "host": 2}, tm2={"given": 1}, tm3={})
    assert inputs.read(hosts, ["tm1", "tm2", "tm3"], "given", None).keys() == {"tm1", "tm2"}
    assert inputs.read(hosts, ["tm1", "tm2", "tm3"], "given", "host") == {"tm1": {"given": 1, "host": 2}}
