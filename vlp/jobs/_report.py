"""What a run says when it is done."""

from __future__ import annotations

import json

from vlp.evaluation import Evaluator, chance_levels, results_table
from vlp.jobs import JobOptions

ABLATIONS = ("--config.model.image.patch_dropout=0.25", "--config.objectives.contrastive.label_smoothing=0.1")


def closing_words(options: JobOptions, evaluators: list[Evaluator]) -> str:
    """The table of results beside chance, where everything is, and two ablations to try."""
    workdir = options.workdir
    results = (
        json.loads((workdir / "results.json").read_text()) if (workdir / "results.json").exists() else {}
    )
    chance = chance_levels(evaluators)
    ordered = {name: results[name] for name in chance if name in results}
    table = results_table(ordered, chance) if ordered else "no evaluator was asked for"
    given = f" --config={options.config_argument}" if options.config_argument else ""
    commands = [
        f"  python main.py{given} --workdir={workdir}-{number} {ablation}"
        for number, ablation in enumerate(ABLATIONS, start=1)
    ]
    return "\n".join(
        [
            "",
            table,
            "",
            f"figures: {workdir / 'results.json'}   curves: {workdir / 'metrics.jsonl'}, "
            f"tensorboard --logdir={workdir}   model: vlp.load({str(workdir)!r})",
            "two ablations to try next:",
            *commands,
        ]
    )
