"""Pretrain the configured model, going on where the workdir left off, and evaluate it."""

from __future__ import annotations

from vlp.configuration import parse_paths
from vlp.jobs import JobOptions
from vlp.jobs._report import closing_words
from vlp.runs.run import Run

NEEDS = ("objectives", "sources", "tokenizer", "evaluation")
INSTEAD = {
    "checkpoint": "to start from its weights say --config.checkpoint.start=PATH; a run goes on by its --workdir",
    "source": "name the data by --config.data.sources=\"{'mine': {'format': 'parquet', 'path': 'PATH'}}\"",
}
OPTIONS = {
    "allow_config_change": ("", "config keys, separated by commas, that may differ from the resumed run's")
}


def run(options: JobOptions) -> int:
    """Resolves, restores or initialises, trains, evaluates, reports."""
    allowed = parse_paths(options.own["allow_config_change"], options.config)
    trained = Run(options.config, options.home, allowed)
    stopped = trained.train()
    if stopped:
        print(f"stopped by {stopped}; everything is saved, and the same command goes on from there")
    elif trained.primary:
        print(closing_words(options, trained.stages[-1].evaluators))
    return 0
