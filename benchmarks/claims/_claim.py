"""What a claim is: arms, each the last step of a chain, and the figures that are looked at."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.claims._figures import FIGURES, SET, Figure

FOLDER = Path(__file__).parent
COLUMNS = {"captions": "captions", "tags": "tags", "label": "category", "group": "concept"}
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclasses.dataclass(frozen=True)
class Step:
    """Fills a folder by a command of main.py, or by a function.

    Attributes:
      flags: of main.py, without `--job` and what the recipe says.
      needs: steps that come first, by the names under which the flags (or the function's arguments) know their folders.
      job: of main.py; '' for a function.
      config: the file of a training run.
      seed: the one it always has; None is the seed of the arm.
      times: how often the common number of steps a training run takes.
      function: takes `folder`, what it needs, `values`, and `seed` if it has an argument of that name.
      values: further arguments of the function.
    """

    flags: tuple[str, ...] = ()
    needs: Mapping[str, Step] = dataclasses.field(default_factory=dict)
    job: str = "train"
    config: str = "configs/quickstart.py:runlocal"
    seed: int | None = None
    times: float = 1.0
    function: Callable[..., None] | None = None
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def seeded(self) -> bool:
        """Whether it is another for every seed, by itself."""
        if self.function:
            return "seed" in inspect.signature(self.function).parameters
        return self.job == "train" or any("{seed}" in flag for flag in self.flags)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Says what all training runs of one call have in common."""

    steps: int
    data: str = ""

    def flags(self, step: Step, seed: int) -> Iterator[str]:
        """Yields what a training run is told beside its own flags, which go before."""
        sets, steps = self._evaluation_sets(), round(self.steps * step.times)
        common = {
            "config": step.config,
            "config.steps": steps,
            "config.batch_size": 64,
            "config.checkpoint.every": 0,
            "config.log.every": max(1, steps // 3),
            "config.data.evaluation": repr(sets),
            "config.evaluators.zero_shot.sets": SET,
            "config.evaluators.zero_shot.every": 0,
            "config.evaluators.retrieval.sets": ",".join(sets),
            "config.evaluators.retrieval.every": 0,
            "config.seed": seed,
            "workdir": "{folder}",
        }
        own = {flag.partition("=")[0] for flag in step.flags}
        return (f"--{name}={value}" for name, value in common.items() if f"--{name}" not in own)

    def _evaluation_sets(self) -> dict[str, dict[str, Any]]:
        other = {"other": str(Path(self.data).resolve() / "train.parquet")} if self.data else {}
        paths = {SET: f"data/quickstart/{SET}.parquet"} | other
        return {name: {"format": "parquet", "path": path, "columns": COLUMNS} for name, path in paths.items()}


@dataclasses.dataclass(frozen=True)
class Claim:
    """Declares what a paper says, and the runs in which it would be seen.

    Attributes:
      title: what is tried, as a heading.
      arxiv: the paper's number there; '' for a paper that is elsewhere, which `says` then names.
      says: the paper's claim, with its numbers and where in the paper they are.
      arms: what is compared, by name.
      figures: the columns.
      against: the arm that the others are compared with; '' is the first.
      seeds: how many, from 0.
      steps: of a training run.
    """

    title: str
    arxiv: str
    says: str
    arms: Mapping[str, Step]
    figures: Mapping[str, Figure] = dataclasses.field(default_factory=lambda: FIGURES)
    against: str = ""
    seeds: int = 3
    steps: int = 150

    def __post_init__(self) -> None:
        if self.against not in ("", *self.arms):
            raise ValueError(f"against='{self.against}' is none of the arms: {', '.join(self.arms)}")

    @property
    def baseline(self) -> str:
        """The arm that the others are compared with."""
        return self.against or next(iter(self.arms))


def train(
    *flags: str,
    config: str = "configs/quickstart.py:runlocal",
    seed: int | None = None,
    times: float = 1.0,
    **needs: Step,
) -> Step:
    """Returns a training run with the recipe's flags and these."""
    return Step(flags, needs, config=config, seed=seed, times=times)


def job(name: str, *flags: str, **needs: Step) -> Step:
    """Returns another job of main.py, with these flags alone."""
    return Step(flags, needs, job=name)


def make(function: Callable[..., None], /, **arguments: Any) -> Step:
    """Returns a call of a function that fills `folder`; steps among the arguments become their folders."""
    needs = {name: value for name, value in arguments.items() if isinstance(value, Step)}
    values = {name: value for name, value in arguments.items() if name not in needs}
    return Step((), needs, job="", function=function, values=values)


def on(objective: str, weight: float = 1.0, **settings: Any) -> tuple[str, ...]:
    """Returns the flags that switch an objective on, with the settings that are given."""
    where = f"--config.objectives.{objective}"
    return (f"{where}.weight={weight}", *(f"{where}.{name}={value}" for name, value in settings.items()))


def command(step: Step, seed: int, recipe: Recipe) -> tuple[str, ...]:
    """Returns the arguments of main.py, placeholders in place, and what is no placeholder refused."""
    if step.function:
        return ()
    flags = (*recipe.flags(step, seed), *step.flags) if step.job == "train" else step.flags
    unknown = {name for flag in step.flags for name in _PLACEHOLDER.findall(flag)} - {
        *step.needs,
        *("folder", "seed", "steps"),
    }
    if unknown:
        raise ValueError(f"{{{min(unknown)}}} is no step that is needed: pass {min(unknown)}=STEP")
    return (f"--job={step.job}", *(filled(flag, seed=str(seed), steps=str(recipe.steps)) for flag in flags))


def filled(flag: str, **values: str) -> str:
    """Returns a flag with placeholders replaced; other braces, such as a dictionary's, stay."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), flag)


def digest(step: Step, seed: int, recipe: Recipe) -> str:
    """Returns what names the folder of a step: the same for the same command after the same steps."""
    seed = seed if step.seed is None else step.seed
    own: list[Any] = [*command(step, seed, recipe)]
    if step.function:
        own = [step.function.__module__, step.function.__qualname__, sorted(step.values.items())]
        own += [seed] if step.seeded else []
    needs = {name: digest(one, seed, recipe) for name, one in sorted(step.needs.items())}
    return hashlib.sha256(json.dumps([own, needs], default=repr).encode()).hexdigest()[:12]


def names() -> list[str]:
    """Lists the claims' files."""
    return sorted(one.name for one in pkgutil.iter_modules([str(FOLDER)]) if not one.name.startswith("_"))


def load(name: str) -> Claim:
    """Reads one of them."""
    found: Claim = importlib.import_module(f"{__package__}.{name}").CLAIM
    return found
