"""A run that is over in seconds, for several processes."""

from __future__ import annotations

SMALL = (
    "--config=configs/quickstart.py:runlocal",
    "--config.batch_size=32",
    "--config.log.every=1",
    "--config.log.tensorboard=false",
    "--config.model.image.depth=1",
    "--config.model.text.depth=1",
    "--config.evaluators.zero_shot.every=0",
    "--config.evaluators.zero_shot.final=false",
    "--config.evaluators.retrieval.every=0",
    "--config.evaluators.retrieval.sets=val",
)
