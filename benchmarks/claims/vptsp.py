"""Prompts of a held image tower, learned by proxies that images make, against the tower as it is."""

from benchmarks.claims import Claim, Figure, Step, train

START = train(seed=0)


def prompted(*flags: str) -> Step:
    """Returns prompts of a tower that is held, measured on classes that they never saw."""
    return train(
        "--config.checkpoint.start={start}",
        "--config.checkpoint.start_new=^model/image/prompts$",
        "--config.batch_size=32",
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
