"""HTML and SVG as nested calls; every text is escaped unless a call of `element` made it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TypeAlias

# Browsers refuse these, and a text that came from a broken caption may hold them.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset({"img", "meta", "wbr"})


class Markup(str):
    """A string that is HTML already."""


Child: TypeAlias = "str | Iterable[Child]"


def element(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Returns an element with what is inside it.

    Args:
      name: of the tag.
      children: Markup as it is, other strings escaped, or iterables of both.
      attributes: `class_` and `for_` lose their underscore, others have it turned into a hyphen; None and False are
        left out, True stands without a value.
    """
    inside = join(children)
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    return Markup(f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{inside}</{name}>")


def join(children: Iterable[Child]) -> Markup:
    """Joins children one after the other, without an element around them."""
    return Markup("".join(map(_child, children)))


def escape(text: str) -> Markup:
    """Turns any text, such as a caption from the web, into harmless HTML."""
    return Markup(html.escape(_UNFIT.sub("\ufffd", text)))


def breakable(name: str) -> Markup:
    """Returns a name or a path with places where a narrow screen may break it."""
    return join([part, element("wbr")] for part in re.split(r"(?<=[/_@.])", name))


def shorten(text: str, limit: int) -> str:
    """Returns the text in one line, cut to a number of characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _child(child: Child) -> str:
    if isinstance(child, Markup):
        return child
    return escape(child) if isinstance(child, str) else join(child)


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
