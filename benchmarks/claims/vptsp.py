"""Prompts of a held image tower, learned by proxies that images make, against the tower as it is."""

from benchmarks.claims import Claim, Figure, Step, train
from benchmarks.claims._claim import COLUMNS
from configs.adaptclipzs import NEW

UNSEEN = {"format": "parquet", "path": "data/quickstart/test.parquet", "columns": COLUMNS, "keep_labels": NEW}
SETS = {"test": UNSEEN}
START = train(seed=0)


def prompted(*flags: str) -> Step:
    """Returns prompts of a tower that is held, measured on classes that they never saw."""
    return train(
        "--config.checkpoint.start={start}",
        "--config.checkpoint.start_new=^model/image/prompts$",
        "--config.batch_size=32",
        f"--config.data.evaluation={SETS!r}",
        "--config.evaluators.zero_shot.sets=test",
        "--config.evaluators.retrieval.sets=test",
        *flags,
        config="configs/vptsp.py:runlocal",
        start=START,
    )


CLAIM = Claim(
    title="VPTSP-G: semantic proxies from visual prompts",
    arxiv="2402.02340",
    says="prompts alone, a few per cent of the parameters, find images of unseen classes better than the held tower "
    "does, and better than fine-tuning it",
    arms={
        "as it is": prompted("--config.optimizer.learning_rate=1e-9"),
        "prompts": prompted(),
        "prompts, ten times the rate": prompted("--config.optimizer.learning_rate=1e-2"),
    },
    figures={"R@1 of unseen classes": Figure("image_retrieval/test/recall@1")},
)
