"""What a run says when it is done."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline.addresses import redacted
from vlp.beside import PROGRAM
from vlp.evaluation import Evaluator, chance_levels, results_table
from vlp.evaluation.comparison.runs import read_figures
from vlp.evaluation.provenance import left_out, skipped_records
from vlp.jobs import JobOptions
from vlp.models.families import family
from vlp.training.goodput import goodput_in_words


def ablations(config: Any) -> list[str]:
    """Flags that change something in this config, each for a run of its own."""
    contrast, image = config.objectives.contrastive, config.model.image
    flags = []
    if "patch_dropout" in family("image", image).meaningful(image):
        flags.append(f"--config.model.image.patch_dropout={0.25 if image.patch_dropout != 0.25 else 0.5}")
    if contrast.weight and contrast.kernel == "softmax":
        flags.append(
            f"--config.objectives.contrastive.label_smoothing={0.0 if contrast.label_smoothing else 0.1}"
        )
    flags += [
        f"--config.optimizer.learning_rate={factor * config.optimizer.learning_rate:g}" for factor in (0.5, 2)
    ]
    return flags[:2]


def closing_words(options: JobOptions, evaluators: list[Evaluator]) -> str:
    """Returns results beside chance, where the time went, where everything is, and two ablations to try."""
    workdir = options.workdir
    results = read_figures(workdir / "results.json") if (workdir / "results.json").exists() else {}
    chance = chance_levels(evaluators) if results else {}
    table = results_table(_ordered(results, chance), chance) if results else "no evaluator was asked for"
    commands = [
        f"  {command(options.arguments, f'--workdir={options.home}-{number}', ablation)}"
        for number, ablation in enumerate(ablations(options.config), start=1)
    ]
    skipped = left_out(skipped_records(evaluators))
    goodput = filter(None, [goodput_in_words(workdir)])
    return "\n".join(
        ["", table, "", *skipped, *goodput, _places(options), "two ablations to try next:", *commands],
    )


def command(given: Sequence[str], *changes: str) -> str:
    """Returns the command line that was given with some flags more, as a shell takes it; addresses show no secrets.

    Args:
      given: the arguments.
      changes: flags, each in the place of the same one that was given.
    """
    # Where the processes are, and what may change in a workdir, is said of the run that was.
    gone = (
        "--allow_config_change=",
        "--config.distributed.",
        *(change.partition("=")[0] + "=" for change in changes),
    )
    kept = [argument for argument in given if not f"--{argument.lstrip('-')}".startswith(gone)]
    return redacted(shlex.join([*PROGRAM.split(), *kept, *changes]))


def _ordered(results: Mapping[str, float], chance: Mapping[str, float]) -> dict[str, float]:
    """The figures of an evaluator beside each other: first those that have a chance, in its order."""
    known = [*(name for name in chance if name in results), *(name for name in results if name not in chance)]
    evaluators = list(dict.fromkeys(name.partition("/")[0] for name in known))
    return {
        name: results[name]
        for name in sorted(known, key=lambda name: evaluators.index(name.partition("/")[0]))
    }


def _places(options: JobOptions) -> str:
    """Where a run's files are, those that are there."""
    workdir, place = options.workdir, str(options.home)
    page = ", to look at: results.html" if (workdir / "results.html").exists() else ""
    figures = f"figures: {place}/results.json{page}   " if (workdir / "results.json").exists() else ""
    return (
        f"{figures}curves: {place}/metrics.jsonl, tensorboard --logdir={shlex.quote(place)}   "
        f"model: vlp.load({place!r})"
    )
