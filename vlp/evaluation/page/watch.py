"""The page of a run that is under way: how far it is, its curves, its speed, its data and its evaluations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from vlp.configuration import stage_ends
from vlp.evaluation.comparison.report import is_share
from vlp.evaluation.comparison.runs import Curve, Run
from vlp.evaluation.page.curves import POINTS, draw_curves, line
from vlp.evaluation.page.document import Section, document
from vlp.evaluation.page.html import Markup, element, join, shorten
from vlp.evaluation.page.tables import note

MOST = 24  # diagrams of a section
MOST_TEXT = 200  # characters of a sample
SAMPLES = (
    "samples.json"  # of a workdir: {"step": n, "samples": [{"picture": WebP in base64, "text": ...}, ...]}
)
NORMS = ("learning_rate", "gradient_norm", "update_norm", "parameter_norm", "skipped", "rollbacks")


def watch_page(
    run: Run,
    timings: Mapping[str, Curve],
    *,
    ago: float,
    refresh: int,
    samples: Mapping[str, Any] | None = None,
) -> str:
    """Returns one self-contained HTML file.

    Args:
      run: as far as it is.
      timings: what it logged of its speed.
      samples: what its SAMPLES hold; None where there are none yet.
      ago: seconds since it last logged anything.
      refresh: seconds after which a browser looks again; 0 = the run has ended.
    """
    ends = stage_ends(run.config.get("stages.until") or (), run.config.get("steps", 0))
    parts = {
        "Losses": _of(run.curves, lambda name: _last(name) == "loss"),
        "Evaluations": _of(run.curves, lambda name: _is_evaluation(name, run)),
        "Optimisation": _of(
            run.curves, lambda name: _last(name) in NORMS or name.startswith("learning_rate")
        ),
        "Objectives": _of(run.curves, lambda name: _is_objective(name, run)),
        "Speed": dict(timings),
        "Data": _of(run.curves, lambda name: name.startswith("data/")),
    }
    sections = [
        Section(title, diagrams(curves, ends)) for title, curves in parts.items() if _drawable(curves)
    ]
    if not sections:
        sections = [Section("Curves", note("Two lines of the log make a curve: there are none yet."))]
    if samples:
        sections.append(Section("Samples", draw_samples(samples)))
    words = "Upright dashes are where a stage begins. " * bool(ends)
    footer = f"{words}Curves are thinned to {POINTS} points."
    return document(f"Watching {run.name}", _about(run, timings, ago), sections, footer, refresh=refresh)


def read_samples(file: Path) -> dict[str, Any] | None:
    """Returns what a run was last trained on; None where it has kept nothing yet.

    Raises:
      ValueError: the file is not of the form of SAMPLES.
    """
    if not file.exists():
        return None
    try:
        samples = json.loads(file.read_text(encoding="utf-8"))
        step, rows = int(samples["step"]), samples["samples"]
        return {
            "step": step,
            "samples": [{key: str(row[key]) for key in ("picture", "text")} for row in rows],
        }
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(
            f"{file} does not hold the samples of a run: remove it, the run writes it anew"
        ) from error


def draw_samples(samples: Mapping[str, Any]) -> Markup:
    """Returns pictures with their texts, as towers saw them in one batch."""
    drawn = [_sample(row["picture"], row["text"]) for row in samples["samples"]]
    words = (
        f"The first {len(drawn)} of the batch of step {samples['step']:,}, cropped as the towers saw them."
    )
    return join([note(words), element("div", drawn, class_="map-group")])


def _sample(picture: str, text: str) -> Markup:
    shown = [element("img", src=f"data:image/webp;base64,{picture}", alt=text)] if picture else []
    return element("figure", *shown, element("figcaption", shorten(text, MOST_TEXT), dir="auto"))


def duration(seconds: float) -> str:
    """Writes a time as people do: '45 s', '12 min', '3.4 hours', '2.1 days'."""
    for unit, size in (("days", 86400), ("hours", 3600)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _about(run: Run, timings: Mapping[str, Curve], ago: float) -> dict[str, str]:
    steps = run.config.get("steps", 0)
    about = {"config": str(run.config.get("name", "")), "step": f"{run.step:,} of {steps:,}"}
    if not run.finished and (left := _newest(timings, "eta_seconds")) is not None:
        about |= {"left": duration(left), "last line": f"{duration(ago)} ago"}
    for name, words, form in (
        ("pairs_per_second", "pairs a second", "{:,.0f}"),
        ("mfu", "MFU", "{:.1%}"),
        ("data_wait_share", "waiting for data", "{:.1%}"),
        ("goodput", "goodput", "{:.1%}"),
    ):
        if (value := _newest(timings, name)) is not None:
            about[words] = form.format(value)
    replaced = _newest(run.curves, "data/replaced")
    return about | ({"bad records": f"{replaced:,.0f}"} if replaced is not None else {})


def _newest(curves: Mapping[str, Curve], name: str) -> float | None:
    return float(curves[name][1][-1]) if name in curves else None


def _of(curves: Mapping[str, Curve], wanted: Callable[[str], bool]) -> dict[str, Curve]:
    return {name: curve for name, curve in curves.items() if wanted(name)}


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _entries(run: Run, group: str) -> set[str]:
    return {path.split(".")[1] for path in run.config if path.startswith(f"{group}.")}


def _is_evaluation(name: str, run: Run) -> bool:
    return name.partition("/")[0] in _entries(run, "evaluators")


def _is_objective(name: str, run: Run) -> bool:
    return name.partition("/")[0] in _entries(run, "objectives") and _last(name) != "loss"


def _drawable(curves: Mapping[str, Curve]) -> list[str]:
    return [name for name, (steps, _) in curves.items() if len(steps) > 1]


def diagrams(curves: Mapping[str, Curve], marks: Sequence[int]) -> Markup:
    """Returns a small diagram for each curve of two points or more.

    Args:
      curves: by name.
      marks: steps where something begins, such as a stage.
    """
    names = _drawable(curves)
    drawings = (_diagram(name, curves[name], marks) for name in names[:MOST])
    shown = [one for one in drawings if one]
    more = f"{MOST} of {len(names)} are shown." * (len(names) > MOST)
    return join([element("div", shown, class_="diagrams"), *([note(more)] if more else [])])


def _diagram(name: str, curve: Curve, marks: Sequence[int]) -> Markup:
    drawn = line("", 0, [curve])
    if not len(drawn.mean):  # nothing that is finite
        return Markup()
    share = name.endswith("_share") or name in ("mfu", "goodput") or ("/" in name and is_share(name))
    return draw_curves(name, [drawn], share=share, marks=marks)
