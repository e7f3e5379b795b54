"""Templates of files that the planners write: rendered on the controller, from a small context."""

from __future__ import annotations

import functools
import shlex
from typing import Any

import jinja2


@functools.cache
def _environment(folder: str) -> jinja2.Environment:
    # Blocks are trimmed as Ansible does it, and nothing that is missing is written as nothing.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["quote"] = lambda value: shlex.quote(str(value))
    return environment


def render(folder: str, template: str, **context: Any) -> str:
    """The text of a file.

    Args:
        folder: of the templates, on the controller.
        template: the file's name, without `.j2`.
        context: all that the template may name.

    Raises:
        jinja2.UndefinedError: the template names what the context does not have.
    """
    return _environment(folder).get_template(f"{template}.j2").render(context)
