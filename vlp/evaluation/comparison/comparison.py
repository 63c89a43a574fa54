"""Variants of a training side by side: means and spreads over seeds, and paired differences to the first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from input_pipeline.errors import UserError
from vlp.evaluation.comparison.bootstrap import difference_interval
from vlp.evaluation.comparison.runs import Run
from vlp.evaluation.comparison.variants import Variant, variants


@dataclass(frozen=True)
class Level:
    """A figure of one variant: mean, standard deviation over seeds (nan of fewer than two), number of runs."""

    mean: float
    spread: float
    runs: int


@dataclass(frozen=True)
class Difference:
    """Holds a difference to the first variant: of means, its interval, and what was drawn anew to get it."""

    value: float
    low: float
    high: float
    over: str

    @property
    def clear(self) -> bool:
        """Tells whether zero is outside of the interval."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """All of it.

    Attributes:
      variants: the first is what the others are compared with.
      levels: by figure, of each variant; None where no run of it has the figure.
      differences: by figure, of each variant but the first.
      remarks: what was left out or cannot be compared, and why.
    """

    variants: Sequence[Variant]
    levels: dict[str, list[Level | None]]
    differences: dict[str, list[Difference | None]]
    remarks: list[str]


def compare(runs: Sequence[Run]) -> Comparison:
    """Compares finished runs; whatever is wrong with the others is a remark.

    Raises:
      ValueError: no run is left to show.
    """
    usable, remarks = _usable(runs)
    if not usable:
        raise UserError(f"there is nothing to compare: {' '.join(remarks) or 'name workdirs of runs'}")
    groups = variants(usable)
    remarks += _lacking(groups) + _unequal(groups)
    names = sorted({name for run in usable for name in run.figures}, key=_by_numbers)
    return Comparison(
        groups,
        {name: [_level(group, name) for group in groups] for name in names},
        {name: [_difference(groups[0], group, name) for group in groups[1:]] for name in names},
        remarks,
    )


def _by_numbers(name: str) -> list[tuple[int, str]]:
    """Orders recall@5 before recall@10, and else by letters."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _usable(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    usable: dict[tuple[object, ...], Run] = {}
    remarks = []
    for run in runs:
        settings = tuple(sorted((path, repr(value)) for path, value in run.config.items() if path != "name"))
        key = settings or (run.name,)
        if not run.finished:
            remarks.append(f"{run.name} is left out: it stands at step {run.step} of {run.config['steps']}.")
        elif not run.figures:
            remarks.append(f"{run.name} is left out: it has no figures; no evaluator was on.")
        elif key in usable:
            remarks.append(
                f"{run.name} is left out: it has config and seed of {usable[key].name}, so it says nothing new."
            )
        else:
            usable[key] = run
            if not run.config:
                remarks.append(f"{run.name} has no config.json beside it, so it is a variant of its own.")
    return list(usable.values()), remarks


def _lacking(groups: Sequence[Variant]) -> list[str]:
    runs = [run for group in groups for run in group.runs]
    names = dict.fromkeys(name for run in runs for name in run.figures)
    remarks = []
    for run in runs:
        if missing := [name for name in names if name not in run.figures]:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            remarks.append(
                f"{run.name} lacks {missing[0]}{more}: means over its variant's seeds are without it."
            )
    if without := [run.name for run in runs if not run.outcomes]:
        remarks.append(
            f"No outcomes of queries (.npz) are there for {', '.join(without)}: their intervals are over seeds alone. "
            "--job=evaluate writes them."
        )
    return remarks


def _unequal(groups: Sequence[Variant]) -> list[str]:
    """Evaluation sets that are not the same for all runs."""
    sizes: dict[str, dict[int, str]] = {}
    for run in (run for group in groups for run in group.runs):
        for name, values in run.outcomes.items():
            sizes.setdefault(name, {}).setdefault(len(values), run.name)
    different = {name: found for name, found in sizes.items() if len(found) > 1}
    remarks = []
    if different:
        name, found = next(iter(different.items()))
        counts = ", ".join(f"{size:,} in {run}" for size, run in found.items())
        more = f", and so have {len(different) - 1} more" if len(different) > 1 else ""
        remarks.append(
            f"{name} has another number of queries in some runs ({counts}){more}: they are not measured on the same "
            "examples, and not paired."
        )
    changed = sorted({one for group in groups for one in _sets_changed(group)})
    return remarks + [
        f"data.evaluation.{one} differs between variants: its figures are not measured on the same examples."
        for one in changed
    ]


def _level(variant: Variant, name: str) -> Level | None:
    values = [run.figures[name] for run in variant.runs if name in run.figures]
    if not values:
        return None
    return Level(
        float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else np.nan, len(values)
    )


def _difference(first: Variant, second: Variant, name: str) -> Difference | None:
    pair = [[run for run in variant.runs if name in run.figures] for variant in (first, second)]
    if not all(pair):
        return None
    seeds = [[run.seed for run in runs] for runs in pair]
    same_seeds = seeds[0] == seeds[1] and None not in seeds[0]
    before, after, over_queries = _values(pair[0], pair[1], name, comparable=not _set_changed(second, name))
    low, high = difference_interval(before, after, same_seeds=same_seeds)
    over_seeds = max(map(len, pair)) > 1
    over = [word for word, drawn in (("queries", over_queries), ("seeds", over_seeds)) if drawn]
    value = np.mean([run.figures[name] for run in pair[1]]) - np.mean([run.figures[name] for run in pair[0]])
    return Difference(float(value), low, high, ", ".join(over))


def _values(
    first: Sequence[Run], second: Sequence[Run], name: str, *, comparable: bool
) -> tuple[Float[np.ndarray, "seeds queries"], Float[np.ndarray, "other_seeds queries"], bool]:
    """Outcomes of every query where all runs have them of the same queries, else one column of figures."""
    runs = [*first, *second]
    sizes = {len(run.outcomes[name]) if name in run.outcomes else 0 for run in runs}
    paired = comparable and len(sizes) == 1 and 0 not in sizes
    rows = np.stack([np.atleast_1d(run.outcomes[name] if paired else run.figures[name]) for run in runs])
    return rows[: len(first)].astype(float), rows[len(first) :].astype(float), paired


def _sets_changed(variant: Variant) -> set[str]:
    prefix = "data.evaluation."
    return {
        path.removeprefix(prefix).partition(".")[0] for path in variant.settings if path.startswith(prefix)
    }


def _set_changed(variant: Variant, name: str) -> bool:
    return not _sets_changed(variant).isdisjoint(name.split("/"))
