"""The page of one evaluation: figures beside chance, then what each evaluator shows."""

from __future__ import annotations

from collections.abc import Mapping

from vlp.evaluation.exhibits import (
    Bars,
    Boxes,
    Confusion,
    Exhibit,
    Map,
    Reliability,
    ScoreMaps,
    Searches,
    Table,
)
from vlp.evaluation.page import around
from vlp.evaluation.page.boxes import draw_boxes
from vlp.evaluation.page.confusion import draw_confusion
from vlp.evaluation.page.diagrams import draw_map, draw_reliability
from vlp.evaluation.page.document import Section, contents, document
from vlp.evaluation.page.figures import draw_figures, figures_key
from vlp.evaluation.page.html import Markup, element, join
from vlp.evaluation.page.pictures import MOST_BYTES, MOST_PICTURES, SIDE, Album
from vlp.evaluation.page.searches import draw_score_maps, draw_searches
from vlp.evaluation.page.tables import draw_bars, draw_table, note
from vlp.evaluation.rounds import Findings


def evaluation_page(
    title: str, about: Mapping[str, str], findings: Findings, known: around.Around | None = None
) -> str:
    """Returns one self-contained HTML file; a reader of the same findings gets the same bytes.

    Args:
      title: of the page.
      about: what it is a page of, a few words by name.
      findings: of the evaluation.
      known: what stands around it, if anything does.
    """
    album = Album()
    names = dict.fromkeys([*_evaluators(findings.figures), *findings.exhibits])
    sections = [Section(_in_words(name), _evaluator(name, findings, album)) for name in names]
    if findings.figures:
        intervals = any(figure in findings.outcomes for figure in findings.figures)
        key = figures_key(intervals=intervals)
        sections[0] = sections[0]._replace(content=join([key, sections[0].content]))
    sections += around.sections(known or around.Around(), findings.figures)
    footer = f"Pictures have {SIDE} pixels at most; there is room for {MOST_PICTURES} of them"
    footer += f" and {MOST_BYTES / 1e6:.0f} MB"
    footer += f", and {album.left_out:,} were left out." if album.left_out else "."
    return document(title, about, sections, footer)


def _evaluators(figures: Mapping[str, float]) -> list[str]:
    return list(dict.fromkeys(name.partition("/")[0] for name in figures))


def _evaluator(name: str, findings: Findings, album: Album) -> Markup:
    own = {figure: value for figure, value in findings.figures.items() if figure.partition("/")[0] == name}
    parts = [draw_figures(_in_words(name), own, findings.chance, findings.outcomes)] if own else []
    parts += [note(remark) for remark in findings.remarks if remark.startswith(f"{name}/")]
    exhibits = findings.exhibits.get(name, ())
    if len(exhibits) > 2:
        parts.append(
            contents({f"{name}-{number}": one.title for number, one in enumerate(exhibits)}, _in_words(name))
        )
    for number, exhibit in enumerate(exhibits):
        heading = element("h3", exhibit.title, id=f"{name}-{number}")
        parts.append(element("section", heading, _draw(exhibit, album), class_="exhibit"))
    return join(parts)


def _draw(exhibit: Exhibit, album: Album) -> Markup:
    match exhibit:
        case Bars():
            return draw_bars(exhibit)
        case Confusion():
            return draw_confusion(exhibit)
        case Searches():
            return draw_searches(exhibit, album)
        case ScoreMaps():
            return draw_score_maps(exhibit, album)
        case Reliability():
            return draw_reliability(exhibit)
        case Map():
            return draw_map(exhibit)
        case Boxes():
            return draw_boxes(exhibit, album)
        case Table():
            return draw_table(exhibit)


def _in_words(name: str) -> str:
    return name.replace("_", " ").capitalize()
