"""A context learned from one and from sixteen images of each class, against the prompt that a person wrote."""

from benchmarks.claims import Claim, Step, train

START = train(seed=0)


def prompted(*flags: str) -> Step:
    """Returns prompts of a model that is held, which begin as 'a photo of a'."""
    return train(
        "--config.checkpoint.start={start}",
        "--config.checkpoint.start_new=^model/text/context/",
        "--config.model.text.context_words=a photo of a",
        *flags,
        config="configs/coop.py:runlocal",
        start=START,
    )


CLAIM = Claim(
    title="CoOp: learned prompts",
    arxiv="2109.01134",
    says="with 16 images of each class, learned prompts are 15 points better than hand-crafted ones in the mean",
    arms={
        "a written prompt": prompted("--config.optimizer.learning_rate=1e-9"),
        "learned, 1 image a class": prompted("--config.data.sources.quickstart.shots=1"),
        "learned, 16 images a class": prompted(),
    },
)
