"""What a run says when it is done."""

from __future__ import annotations

import json
from typing import Any

from vlp.evaluation import Evaluator, chance_levels, results_table
from vlp.jobs import JobOptions
from vlp.models.families import family


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
    """The table of results beside chance, where everything is, and two ablations to try."""
    workdir = options.workdir
    results = (
        json.loads((workdir / "results.json").read_text()) if (workdir / "results.json").exists() else {}
    )
    chance = chance_levels(evaluators)
    ordered = {name: results[name] for name in chance if name in results}
    table = results_table(ordered, chance) if ordered else "no evaluator was asked for"
    page = ", to look at: results.html" if (workdir / "results.html").exists() else ""
    given = f" --config={options.config_argument}" if options.config_argument else ""
    commands = [
        f"  python main.py{given} --workdir={workdir}-{number} {ablation}"
        for number, ablation in enumerate(ablations(options.config), start=1)
    ]
    return "\n".join(
        [
            "",
            table,
            "",
            f"figures: {workdir / 'results.json'}{page}   curves: {workdir / 'metrics.jsonl'}, "
            f"tensorboard --logdir={workdir}   model: vlp.load({str(workdir)!r})",
            "two ablations to try next:",
            *commands,
        ]
    )
