"""What a run left in its workdir, read for a comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from ml_collections import ConfigDict

from input_pipeline.buckets import in_bucket
from input_pipeline.errors import UserError
from vlp.configuration import completed, flatten
from vlp.evaluation.outcomes import read_outcomes
from vlp.evaluation.provenance import PROVENANCE
from vlp.processes.home import copied

EVALUATIONS = "evaluations"  # the folder of a run that --job=evaluate writes into
Curve = tuple[Int[np.ndarray, " steps"], Float[np.ndarray, " steps"]]


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
      name: as it was asked for.
      config: every leaf by its dotted path; none where there is no config.json.
      step: the last that is known of.
      figures: by flat name.
      outcomes: of every query, for figures that are means over queries.
      curves: of every logged value, its steps and what it was there.
      folder: its workdir.
    """

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[str, Float[np.ndarray, " queries"]] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def seed(self) -> int | None:
        return self.config.get("seed")

    @property
    def finished(self) -> bool:
        """As far as can be told: without a config there is nothing to be finished."""
        return self.step >= self.config.get("steps", 0)


def read_run(path: str) -> Run:
    """Reads a workdir with its results.json, or the figures of an evaluation: WORKDIR/evaluations/NAME.json. A workdir
    may be an address.

    Raises:
      ValueError: there is neither, or a file is not what its name says.
    """
    place = copied(path) if in_bucket(path) else Path(path)
    file = place if place.suffix == ".json" else place / "results.json"
    folder = file.parent.parent if file.parent.name == EVALUATIONS else file.parent
    if not file.exists() and not (folder / "config.json").exists():
        raise UserError(
            f"{path} is no run: it has neither {file.name} nor config.json; name workdirs of --job=train"
        )
    saved = _json(folder / "config.json") if (folder / "config.json").exists() else {}
    curves = read_curves(folder / "metrics.jsonl")
    logged = [int(steps[-1]) for steps, _ in curves.values()]
    kept = [int(one.name) for one in (folder / "checkpoints").glob("*") if one.name.isdigit()]
    return Run(
        name=path,
        config=flatten(ConfigDict(completed(saved))) if saved else {},
        step=max([0, *logged, *kept]),
        figures=read_figures(file) if file.exists() else {},
        outcomes=read_outcomes(file.with_suffix(".npz")),
        curves=curves,
        folder=folder,
    )


def read_figures(file: Path) -> dict[str, float]:
    """Returns the figures of results.json or of an evaluation, without what says where they come from.

    Raises:
      ValueError: the file is not what its name says.
    """
    figures = {name: value for name, value in _json(file).items() if name != PROVENANCE}
    if other := [name for name, value in figures.items() if not _is_number(value)]:
        raise UserError(f"{file}: {other[0]} is {figures[other[0]]!r}, and figures are numbers")
    return figures


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} holds no object of names and values")
    return content


def read_curves(file: Path) -> dict[str, Curve]:
    """Returns all that was logged into metrics.jsonl or timings.jsonl, by name; nothing where there is no file yet.

    Raises:
      ValueError: a line but the last, which a kill may have torn, is not JSON, or not one of numbers at a step.
    """
    values: dict[str, dict[int, float]] = {}
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):  # torn by a kill
                break
            raise UserError(f"{file}:{number} is not a JSON line: {error}") from error
        numbers = isinstance(entry, dict) and all(map(_is_number, entry.values()))
        if not numbers or not isinstance(step := entry.pop("step", None), int):
            raise UserError(f"{file}:{number} is not a line of numbers by name, with the step among them")
        for name, value in entry.items():
            values.setdefault(name, {})[step] = value
    return {
        name: (np.array(list(points), int), np.array(list(points.values()), float))
        for name, points in values.items()
    }
