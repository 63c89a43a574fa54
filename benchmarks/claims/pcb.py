"""Which images to label next: at random, the least certain, or of these those of rare pseudo-classes."""

from benchmarks.claims import Claim, Step, job, train
from benchmarks.claims.coop import START

SOURCE = "--config.data.sources.quickstart"


def told(bought: Step) -> Step:
    """Returns prompts learned of the images that were bought."""
    return train(
        "--config.checkpoint.start={start}",
        "--config.checkpoint.start_new=^model/text/context/",
        "--config.model.text.context_words=a photo of a",
        f"{SOURCE}.shots=0",
        f"{SOURCE}.keep_ids={{bought}}/ids.txt",
        config="configs/coop.py:runlocal",
        start=START,
        bought=bought,
    )


def chosen(model: Step, by: str, *flags: str, **needs: Step) -> Step:
    """Returns the ids that a budget of one image a class buys."""
    own = ("--checkpoint={model}", f"--config.select.by={by}", "--config.select.seed={seed}")
    return job(
        "select", *own, "--output={folder}/ids.txt", f"{SOURCE}.keep_ids=", *flags, model=model, **needs
    )


FIRST = chosen(START, "random", f"{SOURCE}.keep_labels=data/quickstart/tables/categories.json")
TOLD = told(FIRST)


def second(by: str, balance: bool = False) -> Step:
    """Returns prompts of the images bought in two rounds, the second by what the first has taught."""
    flags = ("--config.select.bought={first}/ids.txt", f"--config.select.balance={balance}")
    return told(chosen(TOLD, by, *flags, first=FIRST))


CLAIM = Claim(
    title="PCB: active learning of prompts",
    arxiv="2311.11178",
    says="at an equal budget, images chosen by uncertainty and balanced by pseudo-classes teach prompts more than "
    "random ones, and uncertainty alone less",
    arms={
        "random": second("random"),
        "entropy": second("entropy"),
        "entropy, balanced": second("entropy", balance=True),
    },
    seeds=5,
)
