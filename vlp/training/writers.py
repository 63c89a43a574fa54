"""What a run writes into its workdir: metrics.jsonl, timings.jsonl, TensorBoard events, results.json."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from input_pipeline.errors import UserError
from input_pipeline.whole_files import write_whole
from vlp.evaluation.provenance import PROVENANCE
from vlp.training.trackers import Tracker

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter


class MetricsWriter:
    """Appends one JSON object a line, `{"step": n, name: value, ...}` with sorted names.

    metrics.jsonl holds deterministic values only: after `truncate_to(restored step)` and the steps that
    follow, it is bitwise the file of an uninterrupted run (so write a step's lines before saving its
    checkpoint). timings.jsonl holds what the clock says. Floats are written to the last bit (`repr`); NaN
    and infinities as Python's json does. Values are host numbers: fetch device arrays
    first, in one `jax.device_get`. No values, no line.

    Args:
        workdir: the run's directory; created if missing.
        enabled: False on all processes but the first: then nothing is touched or written.
        tensorboard: also write every value as a TensorBoard scalar.
        tracker: also write every value by this tool's package, see `trackers`; '' = none.
        project: that the tool is told.
        name: of the run, that the tool is told.

    Raises:
        ValueError: TensorBoard or a tracker is wanted and its package is not installed.
    """

    def __init__(
        self,
        workdir: str | Path,
        *,
        enabled: bool = True,
        tensorboard: bool = True,
        tracker: str = "",
        project: str = "",
        name: str = "",
    ) -> None:
        self._workdir = Path(workdir)
        self._enabled = enabled
        self._tensorboard: SummaryWriter | None = None
        self._purge_step: int | None = None
        self._wants_tensorboard = tensorboard and enabled
        if self._wants_tensorboard and importlib.util.find_spec("tensorboardX") is None:
            raise UserError(
                "log.tensorboard=True needs tensorboardX: pip install tensorboardX, or set it False"
            )
        if enabled:
            self._workdir.mkdir(parents=True, exist_ok=True)
        self._tracker = Tracker(tracker, self._workdir, project, name) if tracker and enabled else None

    @property
    def metrics_path(self) -> Path:
        return self._workdir / "metrics.jsonl"

    @property
    def timings_path(self) -> Path:
        return self._workdir / "timings.jsonl"

    def truncate_to(self, step: int) -> None:
        """Forgets everything after `step`, the restored one; -1 for a run from scratch. Call before writing.

        Raises:
            ValueError: a line other than the last, which a killed run may have torn, cannot be read.
        """
        if self._enabled:
            truncate_lines(self.metrics_path, step)
            truncate_lines(self.timings_path, step)
            self._purge_step = step + 1

    def write_metrics(self, step: int, values: Mapping[str, Any]) -> None:
        """Appends deterministic values: losses, norms, evaluation figures."""
        self._write(self.metrics_path, step, values)

    def write_timings(self, step: int, values: Mapping[str, Any]) -> None:
        """Appends values that differ from run to run: rates and shares of time."""
        self._write(self.timings_path, step, values)

    def write_pictures(
        self, step: int, pictures: Iterable[tuple[str, UInt8[np.ndarray, "height width 3"]]]
    ) -> None:
        """Writes pictures by name as TensorBoard's image summaries; nowhere else."""
        if self._wants_tensorboard:
            for name, picture in pictures:
                self._events().add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Flushes the TensorBoard events and ends the tracker's run; the line files never hold anything back."""
        if self._tensorboard is not None:
            self._tensorboard.close()
            self._tensorboard = None
        if self._tracker is not None:
            self._tracker.close()
            self._tracker = None

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, path: Path, step: int, values: Mapping[str, Any]) -> None:
        if not (self._enabled and values):
            return
        numbers = {name: _number(values[name]) for name in sorted(values)}
        # Opened for each line: the line is in the hands of the system even if the process is killed next.
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **numbers}) + "\n")
        if self._wants_tensorboard:
            events = self._events()
            for name, number in numbers.items():
                events.add_scalar(name, number, step)
        if self._tracker is not None:
            self._tracker.write(step, numbers)

    def _events(self) -> SummaryWriter:
        if self._tensorboard is None:
            from tensorboardX import SummaryWriter  # slow to import

            # Without a suffix, a run resumed within the same second would overwrite the earlier events.
            self._tensorboard = SummaryWriter(
                str(self._workdir / "tensorboard"),
                purge_step=self._purge_step,
                flush_secs=30,
                filename_suffix=f".{time.time_ns()}",
            )
        return self._tensorboard


def truncate_lines(path: Path, step: int) -> None:
    """Drops from a file of JSON lines those of steps after `step`, and a last line torn by a kill.

    Raises:
        ValueError: a line before the last cannot be read.
    """
    if not path.exists():
        return
    *complete, last = path.read_bytes().split(b"\n")
    steps = [_step_of(line) for line in complete]
    if None in steps:
        raise UserError(
            f"{path}:{steps.index(None) + 1} is not a JSON line with a step; mend or remove it, or use another workdir"
        )
    lines = [*zip(complete, steps, strict=True), (last, _step_of(last))]  # the last may be torn
    kept = [line for line, its_step in lines if its_step is not None and its_step <= step]
    write_whole(path, b"".join(line + b"\n" for line in kept))


def steps_with(path: Path, names: Iterable[str]) -> set[int]:
    """Returns the steps that have a line with a figure of one of these evaluators; for files that were truncated.

    Lines with a loss are of training, where an objective may have an evaluator's name.
    """
    prefixes = tuple(f"{name}/" for name in names)
    lines = path.read_bytes().splitlines() if path.exists() else []
    values = [json.loads(line) for line in lines]
    figures = (line for line in values if "loss" not in line)
    return {line["step"] for line in figures if any(name.startswith(prefixes) for name in line)}


def write_results(
    path: str | Path, results: Mapping[str, Any], provenance: Mapping[str, Any] | None = None
) -> None:
    """Writes final figures, flat names to numbers, sorted; the file is replaced whole, never half written.

    Args:
      path: of the file.
      results: figures by name.
      provenance: where they come from, which becomes one more key, the last; None is none.
    """
    content: dict[str, Any] = {name: _number(results[name]) for name in sorted(results)}
    if provenance is not None:
        content[PROVENANCE] = provenance
    write_whole(Path(path), (json.dumps(content, indent=2) + "\n").encode())


def _number(value: Any) -> int | float:
    array = np.asarray(value)
    return int(array) if array.dtype.kind in "iub" else float(array)


def _step_of(line: bytes) -> int | None:
    """The step of a JSON line; None where it is torn, or no object with a step."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return step if isinstance(step, int) else None
