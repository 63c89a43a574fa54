"""Foils among the columns of CLIP, by rule: captions that differ in a word, and retrieval."""

from benchmarks.claims import FIGURES, SET, Claim, Figure, Step, on, train

COMPOSITIONAL = "--config.evaluators.compositional.final=true"


def foiled(rule: str) -> Step:
    """Returns CLIP with foils of a rule."""
    return train(
        "--config.objectives.contrastive.weight=0",
        f"--config.data.text_views={ {'foils': {'count': 1, 'foils': rule}}!r}",
        *on("hard_negatives", columns="all"),
        COMPOSITIONAL,
    )


CLAIM = Claim(
    title="NegCLIP: swapped words as negatives",
    arxiv="2210.01936",
    says="negatives of swapped words make CLIP tell the order of words, at little cost to retrieval",
    arms={
        "CLIP": train(COMPOSITIONAL),
        "words swapped": foiled("swap"),
        "attributes replaced": foiled("replace"),
    },
    figures={"captions that differ in a word": Figure(f"compositional/{SET}/accuracy", 0.5), **FIGURES},
)
