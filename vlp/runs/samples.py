"""What a run was just trained on, as pictures and texts: a file in its workdir, and the page that shows it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from input_pipeline.views.patches import picture_of
from input_pipeline.whole_files import write_whole
from vlp.evaluation.page.pictures import encoded
from vlp.evaluation.page.watch import SAMPLES
from vlp.training.loop import HostBatch, StepInfo

if TYPE_CHECKING:
    from vlp.runs.run import Run


class Samples:
    """Keeps the first pairs of the batch just used, as the towers saw them; the first process does."""

    at_end = False

    def __init__(self, settings: Any, run: Run) -> None:
        """Knows where they go, and what reads the ids of a text."""
        self.every: int = settings.every if jax.process_index() == 0 else 0
        self._most: int = settings.most
        self._run = run

    def __call__(self, info: StepInfo) -> None:
        """Writes them anew; nothing of a batch without an image and a text that can be shown."""
        pictures = _pictures(info.batch, self._most)
        texts = self._texts(info.batch)
        count = max(len(pictures), len(texts))
        rows = [
            {"picture": pictures[row] if pictures else "", "text": texts[row] if texts else ""}
            for row in range(count)
        ]
        if rows:
            content = json.dumps({"step": info.step, "samples": rows})
            write_whole(Path(self._run.workdir) / SAMPLES, content.encode())

    def _texts(self, batch: HostBatch) -> list[str]:
        ids = batch.get("text")
        if ids is None:
            return []
        rows, masks = (np.reshape(one, (-1, one.shape[-1])) for one in (ids, batch["text_mask"]))
        decode = self._run.stage.tokenizer.decode
        return [decode(row[mask]) for row, mask in zip(rows[: self._most], masks, strict=False)]


def _pictures(batch: HostBatch, most: int) -> list[str]:
    """Of squares and of patches of their own; images that are no bytes, as stored embeddings, are none to look at."""
    images = batch.get("image")
    if images is None or not (images.dtype.names or images.dtype == np.uint8):
        return []
    rows = images if images.dtype.names else images.reshape(-1, *images.shape[-3:])
    return [base64.b64encode(encoded(np.ascontiguousarray(picture_of(row)))).decode() for row in rows[:most]]
