"""Composed retrieval by learned prompts, against sums of embeddings, images and texts alone."""

from benchmarks.claims import Claim, train
from benchmarks.claims._composed import COMPOSED, START

CLAIM = Claim(
    title="SPRC: sentence-level prompts",
    arxiv="2310.05473",
    says="sentence-level prompts compose better than sums and better than image or text alone, and guiding them helps",
    arms={
        f"prompts{name}": train(
            "--config.checkpoint.start={start}",
            "--config.batch_size=64",
            *flags,
            config="configs/sprc.py:runlocal",
            start=START,
        )
        for name, flags in {
            " without alignment or free ones": (
                "--config.objectives.sentence_prompts.free_weight=0",
                "--config.objectives.sentence_prompts.align_weight=0",
            ),
            "": (),
        }.items()
    },
    figures=COMPOSED,
)
