"""Curves for Weights & Biases or Trackio, written by their own packages into an offline run: nothing is sent."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError


class Tracker:
    """Holds a run in WORKDIR/wandb, which `wandb sync` uploads if somebody wants that, or in WORKDIR/trackio, which
    `TRACKIO_DIR=WORKDIR/trackio trackio show` shows."""

    def __init__(self, tool: str, workdir: Path, project: str, name: str) -> None:
        """Begins a run, or a further part of the one with this name.

        Args:
          tool: its package, wandb or trackio.
          workdir: of the run.
          project: that the run belongs to.
          name: of the run.

        Raises:
          ValueError: the package is not installed.
        """
        if tool == "trackio":  # which reads them once, when it is imported
            os.environ["TRACKIO_DIR"] = str(workdir / "trackio")
            for remote in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
                os.environ.pop(remote, None)
        try:
            package: Any = importlib.import_module(tool)
        except ImportError:
            raise UserError(
                f"log.tracker='{tool}' needs its package: pip install {tool}, or set it ''"
            ) from None
        workdir.mkdir(parents=True, exist_ok=True)
        options: dict[str, dict[str, Any]] = {
            "wandb": {"id": name, "dir": str(workdir), "mode": "offline"},
            "trackio": {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False},
        }
        self._run: Any = package.init(project=project, name=name, resume="allow", **options[tool])

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds figures of a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Ends the run; what it holds is in its files then."""
        self._run.finish()
