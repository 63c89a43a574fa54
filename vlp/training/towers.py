"""Which towers a run builds, and which of them it trains: those that something reads."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

from input_pipeline.errors import UserError
from vlp.evaluation.registry import towers_read
from vlp.models.families import TOWERS
from vlp.models.flops import FORWARDS_PER_STEP
from vlp.pretrainer import Pretrainer
from vlp.stored import stored_fields
from vlp.training.model_flops import tower_of


class Towers(NamedTuple):
    """The towers of a run, of 'image' and 'text'.

    Attributes:
      built: that an active objective or an evaluator that is on reads.
      idle: of those, what evaluators alone read: no step changes them.
      projecting: of those, whose projection is trained all the same, on outputs that are stored.
    """

    built: tuple[str, ...]
    idle: tuple[str, ...]
    projecting: tuple[str, ...] = ()


def towers_of(config: Any, pretrainer: Pretrainer) -> Towers:
    """Finds out which towers are read.

    Args:
      config: the whole resolved config.
      pretrainer: with both towers and the active objectives; shapes are enough.
    """
    objectives = pretrainer.objectives.values()
    # What a frozen model reads, by names with its own in front, is no tower of the run.
    fields = {field for field in pretrainer.encoded if "/" not in field}
    trained = {tower for field in fields if (tower := tower_of(config, field))}
    trained |= {tower for one in objectives for tower in one.reads}
    trained |= {"text" for one in objectives for name in one.constants if "/" not in name}
    # What is stored in the place of running a tower is of the tower that is saved with the other.
    stored = {tower for tower in TOWERS if tower in stored_fields(config.data)}
    read = trained | stored | towers_read(config.evaluators)
    return Towers(
        tuple(tower for tower in TOWERS if tower in read),
        tuple(tower for tower in TOWERS if tower in read - trained),
        tuple(tower for tower in TOWERS if tower in stored and config.data.stored.project),
    )


def idle_paths(towers: Towers, paths: Collection[str]) -> frozenset[str]:
    """Picks the paths of parameters that belong to towers which nothing trains."""
    held = [*towers.idle, *(f"{tower}_projection" for tower in towers.idle if tower not in towers.projecting)]
    branches = tuple(f"model/{branch}/" for branch in held)
    return frozenset(path for path in paths if path.startswith(branches))


# Parameters whose gradient costs no product of the size of the tower's own: its adapters', biases and scales of norms.
SMALL = re.compile(r"/adapter/|(^|/)(bias|scale)$")


def step_shares(held: Collection[str], paths: Collection[str]) -> dict[str, float]:
    """Returns what share of a training step's three passes a tower costs of which something is held.

    A tower of which every parameter is held is passed forward alone; one of which adapters or biases alone are trained
    has gradients of its inputs, but none of its weights. Others cost all three and are left out.

    Args:
      held: paths of parameters that no step changes.
      paths: of all parameters.
    """
    shares = {}
    for tower in TOWERS:
        free = [path for path in paths if path.startswith(f"model/{tower}/") and path not in held]
        if not all(SMALL.search(path) for path in free):
            continue
        shares[tower] = (2 if free else 1) / FORWARDS_PER_STEP
    return shares


def check_started(towers: Towers, config: Any) -> None:
    """Refuses, in a fresh run, evaluators that would measure a tower that is neither trained nor started from anything.

    Raises:
      ValueError: the tower, and what to do.
    """
    settings = config.checkpoint
    for tower in towers.idle:
        if not (settings.start or settings[f"start_{tower}"]):
            raise UserError(
                f"an evaluator that is on reads the {tower} tower, which no active objective trains and which starts "
                f"from nothing: switch the evaluator off, give an objective a weight that reads {tower}s, or set "
                f"checkpoint.start_{tower}"
            )
