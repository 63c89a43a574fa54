"""A comparison in words: tables of cells, and the Markdown made of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from vlp.evaluation.comparison.bootstrap import LEVEL
from vlp.evaluation.comparison.comparison import Comparison, Difference, Level
from vlp.evaluation.report import format_figure

_FEW_SEEDS = 5
# Of Markdown and HTML; an underscore inside a word is none.
_MARKS = re.compile(r"([\\`*\[\]<>|]|~(?=~)|&(?=#?\w+;)|(?<!\w)_|_(?!\w))")


def variant_rows(comparison: Comparison) -> list[list[str]]:
    """Returns a head, then a row a variant: its seeds and its runs."""
    rows = [["variant", "seeds", "runs"]]
    for variant in comparison.variants:
        seeds = ", ".join("?" if seed is None else str(seed) for seed in variant.seeds)
        rows.append([variant.letter, seeds, ", ".join(run.name for run in variant.runs)])
    return rows


def setting_rows(comparison: Comparison) -> list[list[str]]:
    """Returns a head, then a row for every setting in which variants differ."""
    paths = dict.fromkeys(path for variant in comparison.variants for path in variant.settings)
    return [
        ["setting", *(variant.letter for variant in comparison.variants)],
        *([path, *(str(one.settings.get(path, "?")) for one in comparison.variants)] for path in paths),
    ]


def level_rows(comparison: Comparison) -> list[list[str]]:
    """Returns a head, then a row a figure: mean and standard deviation over seeds of each variant."""
    head = ["figure", *(variant.label for variant in comparison.variants)]
    sizes = [len(variant.runs) for variant in comparison.variants]
    return [
        head,
        *(
            [name, *(_level(name, level, size) for level, size in zip(levels, sizes, strict=True))]
            for name, levels in comparison.levels.items()
        ),
    ]


def difference_rows(comparison: Comparison) -> list[list[str]]:
    """Returns a head, then a row for every figure of every variant but the first."""
    rows = [["figure", "what", "difference", f"{100 * LEVEL:.0f}% interval", "drawn anew", "zero is"]]
    for name, letter, difference in differences(comparison):
        interval = clear = "-"
        if np.isfinite(difference.low):
            interval = f"{in_points(name, difference.low)} to {in_points(name, difference.high)}"
            clear = verdict(comparison, letter, difference)
        what = f"{letter} - {comparison.variants[0].letter}"
        rows.append([name, what, in_points(name, difference.value), interval, difference.over or "-", clear])
    return rows


def verdict(comparison: Comparison, letter: str, difference: Difference) -> str:
    """Says where zero lies, or '-' where it cannot be said: one run of a variant says nothing of another run of it."""
    sizes = {variant.letter: len(variant.runs) for variant in comparison.variants}
    if min(sizes[comparison.variants[0].letter], sizes[letter]) < 2:
        return "-"
    return "outside" if difference.clear else "inside"


def differences(comparison: Comparison) -> Iterator[tuple[str, str, Difference]]:
    """Yields (figure, letter of the variant, difference to the first), those there are."""
    for name, found in comparison.differences.items():
        for variant, difference in zip(comparison.variants[1:], found, strict=True):
            if difference is not None:
                yield name, variant.letter, difference


def caveats(comparison: Comparison) -> list[str]:
    """Returns what a reader should know about the numbers, and the remarks on the runs."""
    words = ["Means over seeds, ± the standard deviation over them; differences of shares are in points."]
    if any(comparison.differences.values()):
        words.append(
            "Intervals are percentiles of paired bootstrap samples of what is drawn anew. Of many, one in twenty "
            "leaves out zero by chance."
        )
        if min(len(variant.runs) for variant in comparison.variants) < _FEW_SEEDS:
            words.append(
                f"With fewer than {_FEW_SEEDS} seeds intervals are too narrow; with one they say nothing about another "
                "run's, so that nothing is said of zero."
            )
    return words + comparison.remarks


def comparison_markdown(comparison: Comparison) -> str:
    """Returns the whole comparison."""
    parts = ["# Comparison of runs", _table(variant_rows(comparison))]
    if len(settings := setting_rows(comparison)) > 1:
        parts.append(_table(settings))
    parts += ["## Figures", _table(level_rows(comparison))]
    if len(comparison.variants) > 1:
        parts += [f"## Differences to {comparison.variants[0].letter}", _table(difference_rows(comparison))]
    parts.append("\n".join(f"- {_escaped(words)}" for words in caveats(comparison)))
    return "\n\n".join(parts) + "\n"


def is_share(name: str) -> bool:
    """Tells whether a figure is written in per cent."""
    return format_figure(name, 0.5).endswith("%")


def in_points(name: str, value: float) -> str:
    """Writes a difference, with its sign, in the unit of the figure: shares in percentage points, ranks in ranks."""
    unit = format_figure(name, 1.0).removesuffix("%")
    decimals = len(unit.partition(".")[2]) + (not is_share(name))
    return f"{float(unit) * value:+.{decimals}f}"


def _level(name: str, level: Level | None, size: int) -> str:
    if level is None:
        return "-"
    written = format_figure(name, level.mean)
    if np.isfinite(level.spread):
        written += f" ± {format_figure(name, level.spread).removesuffix('%')}"
    return written if level.runs == size else f"{written} (of {level.runs})"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first column to the left and the others, where they hold numbers, too."""
    head, *body = ([_escaped(cell) for cell in row] for row in rows)
    lines = (head, ["---"] * len(head), *body)
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _escaped(cell: str) -> str:
    """A cell as it stands, whatever signs of Markdown or HTML are in it, as in the path of a run."""
    return _MARKS.sub(r"\\\1", " ".join(cell.split("\n")))
