"""Margins in the place of CLIP's contrast."""

from benchmarks.claims import on


def ranking(**settings: object) -> tuple[str, ...]:
    """Returns the flags of margin ranking alone."""
    return ("--config.objectives.contrastive.weight=0", *on("ranking", 2.0, **settings))
