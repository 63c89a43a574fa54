"""A run that is over in seconds, and a hook that kills it."""

from __future__ import annotations

import os
import signal
from typing import Any

SMALL = (
    "--config=configs/quickstart.py:runlocal",
    "--config.steps=6",
    "--config.batch_size=16",
    "--config.log.every=1",
    "--config.checkpoint.every=3",
    "--config.model.image.depth=1",
    "--config.model.text.depth=1",
    "--config.evaluators.zero_shot.every=0",
    "--config.evaluators.zero_shot.final=false",
    "--config.evaluators.retrieval.every=2",
    "--config.evaluators.retrieval.sets=val",
)


class Fail:
    """Ends the run by an error, once the hosts have what was to be kept before."""

    at_end = False

    def __init__(self, settings: Any, run: Any) -> None:
        self.every, self._run = settings.every, run

    def __call__(self, info: Any) -> None:
        self._run.replicas.wait()
        raise RuntimeError("as if it were killed")


class Kill:
    """Ends the process as a machine that fails does, once what was to be saved before is saved."""

    at_end = False

    def __init__(self, settings: Any, run: Any) -> None:
        self.every, self._run = settings.every, run

    def __call__(self, info: Any) -> None:
        self._run.checkpointer.wait()
        os.kill(os.getpid(), signal.SIGKILL)
