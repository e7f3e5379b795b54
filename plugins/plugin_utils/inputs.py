"""A role's inputs on the controller: which there are, their values in a run, and objects with types made of them."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints

from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_int, check_type_list
from ansible.module_utils.common.yaml import yaml_load

Made = TypeVar("Made")


class Templar(Protocol):
    """The part of Ansible's templar that is needed here."""

    def template(self, variable: Any) -> Any: ...


def names(specification: str) -> list[str]:
    """Names of a role's inputs, from the text of its argument_specs. Not by from_yaml, which keeps the place of each value."""
    return list(next(iter(yaml_load(specification)["argument_specs"].values()))["options"])


def of_defaults(role_path: str) -> dict[str, Any]:
    """Defaults of a role that lies in a directory, as they are written: what the inventory does not say of another host.

    Raises:
        OSError: they cannot be read.
    """
    found: dict[str, Any] = yaml_load((Path(role_path) / "defaults/main.yml").read_text(encoding="utf-8"))
    return found


def values(wanted: Iterable[str], templar: Templar, known: Mapping[str, Any]) -> dict[str, Any]:
    """Values of variables in a run, each templated once; what is not defined is left out.

    Args:
        wanted: names.
        templar: of the action.
        known: all variables of the host, as the action got them.
    """
    found: dict[str, Any] = plain(templar.template({name: known[name] for name in wanted if name in known}))
    return found


def written(hostvars: Mapping[str, Mapping[str, Any]], host: str) -> Mapping[str, Any]:
    """The variables of a host as they are written, templates as their text; also what tasks of this run registered for it.

    Not by `hostvars[host]`, which would template and copy them item by item.

    Args:
        hostvars: Ansible's, or a mapping.
        host: one of the inventory.
    """
    found: Mapping[str, Any] = getattr(hostvars, "raw_get", hostvars.get)(host) or {}
    return found


def read(
    hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], *names: str | None
) -> dict[str, Mapping[str, Any]]:
    """The variables, as they are written, of those hosts that have all of some; a name that is None is none of them."""
    wanted = {name for name in names if name}
    found = {host: written(hostvars, host) for host in hosts}
    return {host: each for host, each in found.items() if wanted <= each.keys()}


#: What the preflight of a role notes of each host for others (docs/architecture.md, "Facts for others").
ZOOKEEPER_NOTED, FLINK_NOTED = "zookeeper_noted", "flink_ha_noted"


def noted(hostvars: Mapping[str, Mapping[str, Any]], host: str, name: str) -> Any:
    """One of these notes; None where the host was not judged. Each host that was has the notes of all of them."""
    return (written(hostvars, host).get(name) or {}).get(host)


def plain(value: Any) -> Any:
    """A value without what Ansible notes of its origin, in the types of JSON."""
    return json.loads(json.dumps(value, default=str))


@dataclasses.dataclass(frozen=True)
class Variable:
    """Annotates a field of a dataclass of inputs that is the value of another variable than the role's prefix and its own name."""

    name: str


#: Annotates a field that is no variable.
NO_VARIABLE = Variable("")


@functools.cache  # the types of a hundred fields take 10 ms, and each host asks
def variables(cls: type[Any], prefix: str = "") -> Mapping[str, str]:
    """Fields of a dataclass of inputs -> the variable that each is the value of; without those that are no variables."""
    found = {
        name: next((each.name for each in get_args(hint) if isinstance(each, Variable)), prefix + name)
        for name, hint in get_type_hints(cls, include_extras=True).items()
    }
    return {name: source for name, source in found.items() if source}


def typed(cls: type[Made], values: Mapping[str, Any], prefix: str = "", /, **others: Any) -> Made:
    """A dataclass of inputs, each field made of its variable (`variables`).

    Values are converted as Ansible does when it compares them with a specification: `yes` is true, and `2181` a number. None and
    a variable that is not defined are the empty value of the type.

    Args:
        cls: a dataclass whose fields are bool, int, str, tuple or Mapping.
        values: values by name of variable.
        prefix: of the role's variables.
        others: the fields that are no variables.

    Raises:
        TypeError: a value is not of its type. The action `role_inputs` has refused it before, in words.
    """
    kind: Any = cls  # mypy takes a type of a type variable for one that cannot be a key
    hints, sources = _types(kind), variables(kind, prefix)
    fields = {name: _convert(hints[name], values.get(source)) for name, source in sources.items()}
    return cls(**fields, **others)


@functools.cache  # as above
def _types(cls: type[Any]) -> Mapping[str, Any]:
    return get_type_hints(cls)


def _convert(wanted: Any, value: Any) -> Any:
    kind = get_origin(wanted) or wanted
    convert, empty = CONVERSIONS[kind]
    if value is None:
        return empty
    found = convert(value)
    return tuple(str(each) for each in found) if get_args(wanted)[:1] == (str,) and kind is tuple else found


#: By type of a field: what makes it of a value, and what stands for none.
CONVERSIONS: dict[Any, tuple[Callable[[Any], Any], Any]] = {
    bool: (check_type_bool, False),
    int: (check_type_int, 0),
    str: (str, ""),
    tuple: (lambda value: tuple(check_type_list(value)), ()),
    Mapping: (check_type_dict, {}),
}


def unique(texts: Iterable[str]) -> list[str]:
    """Each text once, in their order. As for Ansible's filter, upper and lower case make no difference: what is written stays."""
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(text.lower(), text)
    return list(found.values())
