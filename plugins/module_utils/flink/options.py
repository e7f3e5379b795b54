"""Flink's options across its releases: which key a release knows, and its configuration file as text. Pure.

The registry (roles/flink_ha/vars/main/options.yml) says for each option the key that it has had since which release. The
operator never writes a key that depends on the release. Only the controller uses this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core import known_names
from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import KnownNames
from ansible_collections.streamquorum.ha.plugins.module_utils.core.secret_text import (
    SECRET_WORDS,
    holds_secret,
    names_secret,
)

Option = Mapping[str, Any]

LEGACY_FILE, STANDARD_FILE = "flink-conf.yaml", "config.yaml"
RELEASE = re.compile(r"^(\d+)\.(\d+)(\.|$)")
#: Both files hold flat keys. `*` and `/` stand in none of Flink's; a space or a colon would end the key.
KEY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.$-]*$")
#: Texts that YAML 1.1 and 1.2 read as themselves without quotes. Everything that begins with a digit gets quotes.
PLAIN = re.compile(r"^[A-Za-z/][A-Za-z0-9_./:,@%+=-]*$")
#: Words that some reader of YAML takes for something else than a text.
YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

#: Keys with a name of the operator's own in them that Flink reads no longer: pattern, first release without it, and what has its place.
#: ReporterSetup of flink-runtime 1.16.3 takes the class of a reporter, and that of 1.17.2 only logs that it does not.
ENDED = ((re.compile(r"^(metrics[.]reporter[.][^.]+[.])class$"), "1.17", r"\1factory.class"),)


class OptionError(ValueError):
    """A value that cannot be written to Flink's configuration file; the text names the key."""


# --- keys by release -------------------------------------------------------------------------------------------------


def parse_release(version: str) -> tuple[int, int]:
    """(major, minor) of a release such as `1.20.5` or `1.20`.

    Raises:
        OptionError: it does not begin with two numbers.
    """
    found = RELEASE.match(version)
    if not found:
        raise OptionError(f"{version!r} is no release of Flink: it does not begin with two numbers, such as 1.20.5")
    return int(found.group(1)), int(found.group(2))


def greatest_since(by_release: Mapping[str, Any], version: str) -> Any:
    """The value of the newest release in `by_release` that is not newer than `version`; None where all are newer."""
    wanted = parse_release(version)
    eligible = [release for release in by_release if parse_release(release) <= wanted]
    return by_release[max(eligible, key=parse_release)] if eligible else None


def owned_names(options: Iterable[Option]) -> dict[str, list[str]]:
    """Who owns each name that any release reads for an option of the registry."""
    owners: dict[str, list[str]] = {}
    for option in options:
        for name in {*option["keys"].values(), *option.get("aliases", [])}:
            if option["variable"] not in owners.setdefault(name, []):
                owners[name].append(option["variable"])
    return owners


def resolve(
    options: Iterable[Option], version: str, scope: str, values: Mapping[str, Any], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The configuration of one process, by the keys of its release, sorted.

    An option that the release does not have, and one whose value is None or an empty text, is left out.

    Args:
        options: the registry.
        version: the release.
        scope: jobmanager, taskmanager or client.
        values: by option name, what variables hold.
        fields: by field, what differs between services of one host.
    """
    config: dict[str, Any] = {}
    for option in options:
        if scope not in option["scopes"]:
            continue
        key = greatest_since(option["keys"], version)
        value = fields[option["field"]] if "field" in option else values[option["name"]]
        if key is not None and value is not None and value != "":
            config[key] = value
    return dict(sorted(config.items()))


def java_options(shipped: Mapping[str, Sequence[str]], version: str, extra: Sequence[str]) -> str:
    """env.java.opts.all: what the release ships, whole, and then what is added; empty where there is nothing.

    What is no release ships nothing: the preflight refuses it in its own words.
    """
    whole = (greatest_since(shipped, version) or []) if RELEASE.match(version) else []
    return " ".join([*whole, *extra])


def has_secrets(config: Mapping[str, Any], words: Sequence[str] = SECRET_WORDS) -> bool:
    """Whether a key of the configuration names a secret, or a value has one, such as an option for Java."""
    return any(names_secret(key, words) or holds_secret(str(value), words) for key, value in config.items())


# --- the file --------------------------------------------------------------------------------------------------------


def render(file_name: str, config: Mapping[str, Any]) -> str:
    """Lines of Flink's configuration file, sorted by key, and read back before they are given out.

    Args:
        file_name: flink-conf.yaml (up to 1.18: Flink's own line parser) or config.yaml (YAML 1.2).
        config: flat keys; values are texts, numbers or booleans.

    Raises:
        OptionError: a key or value cannot be written, or does not come back as it was.
    """
    value_of = _legacy_value if file_name == LEGACY_FILE else _yaml_value
    lines = []
    for key in sorted(config):
        if not KEY.match(key):
            raise OptionError(f"{key!r} is no key of Flink's: flat keys are letters, digits, dots and dashes")
        lines.append(f"{key}: {value_of(key, config[key])}\n")
    text = "".join(lines)
    if parse(file_name, text) != {key: plain(value) for key, value in config.items()}:
        raise OptionError(f"{file_name} does not read back as it was computed")
    return text


def written(file_name: str, config: Mapping[str, Any]) -> dict[str, str]:
    """By key, sorted, each value as it stands in the file; arguments and errors as of `render`."""
    lines = render(file_name, config).splitlines()
    return {key: value for key, _separator, value in (line.partition(": ") for line in lines)}


def parse(file_name: str, text: str) -> dict[str, str]:
    """A configuration file with flat keys as Flink reads it, values as texts.

    For flink-conf.yaml that is GlobalConfiguration's line parser: everything behind a `#` is a comment, a line is split
    at its first `: `, and the last line of a key counts.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        content = line.split("#", 1)[0] if file_name == LEGACY_FILE else line
        key, separator, value = content.partition(": ")
        if not separator or line.lstrip().startswith("#"):
            continue
        value = value.strip()
        if file_name != LEGACY_FILE and value.startswith('"'):
            value = str(json.loads(value))
        found[key.strip()] = value
    return found


def plain(value: Any) -> str:
    """A value as Flink's parsers see it: booleans in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def value_problem(file_name: str, key: str, value: Any) -> str:
    """Why a value cannot be written to the file, or nothing."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return f"{key} is empty. Leave it out instead."
    if not isinstance(value, str | int | float):
        return f"{key} is no text, number or boolean. Write flat keys (a.b.c: value), and a list as Flink's documentation has it for a text."
    text = plain(value)
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        return f"{key} has a line break or another control character."
    if text != text.strip():
        return f"{key} begins or ends with a space, which Flink cuts off."
    if file_name == LEGACY_FILE and "#" in text:
        return (
            f"{key} contains '#', and Flink up to 1.18 takes everything behind it for a comment. Choose another value."
        )
    return ""


def _legacy_value(key: str, value: Any) -> str:
    problem = value_problem(LEGACY_FILE, key, value)
    if problem:
        raise OptionError(problem)
    return plain(value)


def _yaml_value(key: str, value: Any) -> str:
    problem = value_problem(STANDARD_FILE, key, value)
    if problem:
        raise OptionError(problem)
    if not isinstance(value, str):
        return plain(value)
    if PLAIN.match(value) and not value.endswith(":") and value.lower() not in YAML_WORDS:
        return value
    # A JSON text is a double-quoted text of YAML as well.
    return json.dumps(value, ensure_ascii=False)


def unknown_problem(key: str, version: str, known: KnownNames, open_prefixes: Sequence[str]) -> str:
    """Why a key is no option of this release, or nothing.

    Args:
        key: the option.
        version: the release.
        known: Flink's own options.
        open_prefixes: beginnings of keys that are not looked up.
    """
    return known_names.unknown_problem(key, version, known, open_prefixes, "option", "Flink")


def ended_problem(key: str, version: str) -> str:
    """Why a release reads a key no longer that no list of options can have (`ENDED`), or nothing."""
    for pattern, first, instead in ENDED:
        if pattern.match(key) and parse_release(version) >= parse_release(first):
            return f"{key} is read no longer since Flink {first}. Set {pattern.sub(instead, key)} instead."
    return ""


def extra_problems(
    extra: Mapping[str, Any],
    options: Iterable[Option],
    version: str,
    file_name: str,
    known: KnownNames,
    open_prefixes: Sequence[str],
    variable: str = "flink_ha_config_extra",
) -> list[str]:
    """Why the operator's further options are refused; empty when they are not.

    Args:
        extra: options, by name.
        options: the registry.
        version: the release.
        file_name: its configuration file.
        known: Flink's own options.
        open_prefixes: beginnings of keys that are not looked up: plugins and names of the operator's own stand behind them.
        variable: the input that has them.
    """
    owners = owned_names(options)
    problems = []
    for key, value in extra.items():
        name = str(key)
        if name in owners:
            problems.append(f"{variable}: {name} belongs to {' and '.join(owners[name])}. {_instead(owners[name])}")
        elif not KEY.match(name):
            problems.append(f"{variable}: {name!r} is no key of Flink's. Write flat keys (a.b.c: value).")
        else:
            unknown = unknown_problem(name, version, known, open_prefixes)
            if unknown:
                unknown += " Where something of your own reads it, name it in flink_ha_config_unchecked."
            problem = value_problem(file_name, name, value) or ended_problem(name, version) or unknown
            problems += [f"{variable}: {problem}"] if problem else []
    return problems


def _instead(owners: Sequence[str]) -> str:
    if all(owner.startswith("flink_ha_") for owner in owners):
        return "Set that variable instead." if len(owners) == 1 else "Set those variables instead."
    return "Remove it."
