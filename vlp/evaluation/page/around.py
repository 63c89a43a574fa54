"""What stands around an evaluation in its folder: how the run was trained, and the figures of runs beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from input_pipeline.errors import UserError
from vlp.evaluation.comparison.runs import Curve, read_curves, read_figures
from vlp.evaluation.page.curves import POINTS
from vlp.evaluation.page.document import Section
from vlp.evaluation.page.html import Markup, join, shorten
from vlp.evaluation.page.tables import grid, note
from vlp.evaluation.page.watch import diagrams
from vlp.evaluation.report import format_figure

MOST_RUNS, MOST_FIGURES, LONGEST = 6, 100, 60


@dataclass(frozen=True)
class Around:
    """Holds what a workdir and the folders beside it know.

    Attributes:
      curves: losses and learning rates of the run, by name.
      beside: figures of earlier runs, the newest first, by their folder's name.
      others: how many more there are.
    """

    curves: Mapping[str, Curve] = field(default_factory=dict)
    beside: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    others: int = 0


def around(figures_file: Path, figures: Mapping[str, float]) -> Around:
    """Reads metrics.jsonl beside a run's figures, and the files of the same name in the folders beside the run's.

    A run with the very same figures says nothing more, and one that cannot be read is not shown.

    Args:
      figures_file: WORKDIR/results.json.
      figures: of the run itself.
    """
    folder = figures_file.absolute().parent
    curves = {
        name: curve
        for name, curve in read_curves(folder / "metrics.jsonl").items()
        if name.rpartition("/")[2] == "loss" or name.startswith("learning_rate")
    }
    found: list[tuple[float, str, Mapping[str, float]]] = []
    for file in sorted(folder.parent.glob(f"*/{figures_file.name}")):
        try:
            own = read_figures(file)
        except (UserError, OSError):
            continue
        if file.parent != folder and own != dict(figures) and own.keys() & figures.keys():
            found.append((file.stat().st_mtime, file.parent.name, own))
    found.sort(key=lambda one: (-one[0], one[1]))
    return Around(curves, {name: own for _, name, own in found[:MOST_RUNS]}, max(0, len(found) - MOST_RUNS))


def sections(known: Around, figures: Mapping[str, float]) -> list[Section]:
    """Returns the parts of a page that there is something to show in.

    Args:
      known: around the evaluation.
      figures: of the run itself.
    """
    found = []
    if any(len(steps) > 1 for steps, _ in known.curves.values()):
        drawn = diagrams(known.curves, ())
        found.append(Section("Training", join([drawn, note(f"Curves are thinned to {POINTS} points.")])))
    if known.beside:
        found.append(Section("Beside earlier runs", _beside(known, figures)))
    return found


def _beside(known: Around, figures: Mapping[str, float]) -> Markup:
    rows = [
        [
            name,
            format_figure(name, value),
            *(format_figure(name, own.get(name)) for own in known.beside.values()),
        ]
        for name, value in list(figures.items())[:MOST_FIGURES]
    ]
    head = ["figure", "this run", *(shorten(name, LONGEST) for name in known.beside)]
    words = [
        "The runs in the folders beside this one, the newest first, as they were when this page was written."
    ]
    words += [f"{known.others:,} older ones are not shown."] if known.others else []
    words += [f"The first {MOST_FIGURES} of {len(figures):,} figures."] if len(figures) > MOST_FIGURES else []
    return join([grid(head, rows, "Figures beside those of earlier runs"), note(" ".join(words))])
