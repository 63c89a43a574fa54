"""Results beside chance, as a table for a terminal or for a README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WIDTH = 100
GEOMETRY = {
    "modality_gap",
    "alignment",
    "uniformity",
}  # parts of names: distances between unit rows, and logarithms


def results_table(results: Mapping[str, float], chance: Mapping[str, float]) -> str:
    """Writes plain text of at most 100 columns: a row per figure, for each evaluation set its value and chance.

    Names are `<evaluator>/<set>/<figure>`. Shares are shown in per cent, ranks and distances as they are; what is
    missing, of a figure or of its chance, is shown as '-'. Sets that do not fit beside are put below.
    """
    return "\n\n".join(_text(rows) for rows in _tables(results, chance))


def results_markdown(results: Mapping[str, float], chance: Mapping[str, float]) -> str:
    """Returns the same rows and cells as one Markdown table, however wide."""
    head, *body = _rows(results, chance, _sets(results))
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def figure_and_set(name: str) -> tuple[str, str]:
    """Splits a name: 'zero_shot/val/top1' is figure 'zero_shot/top1' of set 'val'; one without a set has 'value'."""
    parts = name.split("/")
    return (name, "value") if len(parts) < 3 else ("/".join([parts[0], *parts[2:]]), parts[1])


def _sets(results: Mapping[str, float]) -> list[str]:
    return list(dict.fromkeys(figure_and_set(name)[1] for name in results))


def format_figure(name: str, value: float | None) -> str:
    """Returns a figure in the unit that its name asks for; '-' for none."""
    if value is None:
        return "-"
    if GEOMETRY & set(name.split("/")):
        return f"{value:.3f}"
    if name.endswith(("rsum", "cider")):
        return f"{100 * value:.1f}"
    return f"{value:.1f}" if name.endswith(("rank", "distance", "perplexity")) else f"{100 * value:.1f}%"


def _rows(results: Mapping[str, float], chance: Mapping[str, float], sets: Sequence[str]) -> list[list[str]]:
    names = {figure_and_set(name): name for name in results}
    rows = [["figure", *(column for one in sets for column in (one, "chance"))]]
    for figure in dict.fromkeys(figure_and_set(name)[0] for name in results):
        whole = [names.get((figure, one), "") for one in sets]
        cells = [format_figure(name, source.get(name)) for name in whole for source in (results, chance)]
        rows.append([figure, *cells])
    return rows


def _tables(results: Mapping[str, float], chance: Mapping[str, float]) -> list[list[list[str]]]:
    """Rows for as many sets at a time as fit into the width, at least one."""
    tables: list[list[list[str]]] = []
    beside: list[str] = []
    for one in _sets(results):
        wider = _rows(results, chance, [*beside, one])
        if beside and len(_aligned(wider[0], _widths(wider))) > WIDTH:
            tables.append(_rows(results, chance, beside))
            beside = []
        beside.append(one)
    return [*tables, _rows(results, chance, beside)]


def _text(rows: list[list[str]]) -> str:
    widths = _widths(rows)
    head, *body = rows
    return "\n".join(_aligned(row, widths) for row in (head, ["-" * width for width in widths], *body))


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _aligned(row: list[str], widths: list[int]) -> str:
    right = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return "  ".join([row[0].ljust(widths[0]), *right]).rstrip()
