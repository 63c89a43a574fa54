"""The page around its sections: head, style, contents, and a policy that lets nothing run and nothing load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import NamedTuple

from vlp.evaluation.page.html import Child, Markup, element, join

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Section(NamedTuple):
    """A part of the page under a heading of its own."""

    title: str
    content: Child


def document(
    title: str, about: Mapping[str, str], sections: Sequence[Section], footer: str, *, refresh: int = 0
) -> str:
    """Returns the whole file.

    Args:
      title: of the page.
      about: what it is a page of, a few words by name.
      sections: in order; several of them get a table of contents.
      footer: a closing remark.
      refresh: seconds after which a browser reads the file again; 0 = never.
    """
    style = (resources.files("vlp.evaluation.page") / "page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        *([element("meta", http_equiv="refresh", content=str(refresh))] if refresh else []),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(style)),
    )
    titles = {f"part-{number}": section.title for number, section in enumerate(sections)}
    links = contents(titles, title) if len(sections) > 2 else Markup()
    body = element(
        "body",
        element("header", element("h1", title), _about(about), links),
        element("main", (_section(section, number) for number, section in enumerate(sections))),
        element("footer", element("p", footer, class_="note")),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _about(about: Mapping[str, str]) -> Markup:
    entries = (
        element("div", element("dt", name), element("dd", value, dir="auto")) for name, value in about.items()
    )
    return element("dl", entries) if about else Markup()


def contents(titles: Mapping[str, str], label: str) -> Markup:
    """Links to parts of the page: their titles by their ids."""
    links = (element("li", element("a", title, href=f"#{part}")) for part, title in titles.items())
    return element("nav", element("ul", links), aria_label=f"Contents: {label}")


def _section(section: Section, number: int) -> Markup:
    heading = element("h2", section.title, id=f"part-{number}")
    return element("section", heading, join([section.content]), aria_labelledby=f"part-{number}")
