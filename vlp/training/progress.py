"""Progress on standard error: one bar with one line on a terminal, one plain line a period elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from tqdm import tqdm


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.1 else f"{100 * share:.1f}%"


# What the line shows of the values at hand, in this order.
_FIELDS: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("loss", lambda value: f"loss {value:.4g}"),
    ("accuracy", lambda value: f"acc {_percent(value)}"),
    # A healthy contrast pulls the two apart; in a collapse they are the same.
    ("positive_cosine", lambda value: f"cos+ {value:.2f}"),
    ("negative_cosine", lambda value: f"cos- {value:.2f}"),
    ("teacher_entropy", lambda value: f"entropy {value:.3g}"),
    ("empty", lambda value: f"empty {_percent(value)}"),
    ("logit_scale", lambda value: f"scale {value:.3g}"),
    ("gradient_norm", lambda value: f"grad {value:.3g}"),
    ("pairs_per_second", lambda value: f"{value:.0f} pairs/s" if value >= 100 else f"{value:.3g} pairs/s"),
    ("mfu", lambda value: f"mfu {_percent(value)}"),
    ("data_wait_share", lambda value: f"data {_percent(value)}"),
)
_REPLACED = "data/replaced/"  # and the reason


NAMES = frozenset(name for name, _ in _FIELDS)


def format_values(values: Mapping[str, float]) -> str:
    """Returns `loss 3.214 scale 21.3 grad 0.84 912 pairs/s mfu 41% data 0.4%`, of what is there.

    Records replaced so far come last, by reason: `replaced 2 undecodable`.
    """
    shown = [show(values[name]) for name, show in _FIELDS if name in values]
    counts = {
        name.removeprefix(_REPLACED): count for name, count in values.items() if name.startswith(_REPLACED)
    }
    if counts:
        shown.append("replaced " + ", ".join(f"{count:.0f} {reason}" for reason, count in counts.items()))
    return "  ".join(shown)


def format_line(step: int, total: int, values: Mapping[str, float]) -> str:
    """Returns the whole line of a run without a terminal: `step 300/900 loss ... eta 1:42`."""
    parts = [f"step {step}/{total}", format_values(values)]
    if "eta_seconds" in values:
        parts.append(f"eta {_clock(values['eta_seconds'])}")
    return "  ".join(part for part in parts if part)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Progress:
    """Shows steps and the latest values: a tqdm bar if `stream` is a terminal, else plain lines.

    Args:
        total: steps of the run.
        initial: the restored step.
        enabled: False on all processes but the first.
        stream: where to write; standard error unless given.
    """

    def __init__(
        self, total: int, *, initial: int = 0, enabled: bool = True, stream: TextIO | None = None
    ) -> None:
        self._total = total
        self._enabled = enabled
        self._stream = stream if stream is not None else sys.stderr
        self._bar: tqdm | None = None
        if enabled and self._stream.isatty():
            layout = "step {n_fmt}/{total_fmt}{desc}  eta {remaining} |{bar}|"
            self._bar = tqdm(
                total=total, initial=initial, file=self._stream, bar_format=layout, dynamic_ncols=True
            )

    def advance(self, step: int) -> None:
        """Moves the bar to `step`; nothing without a terminal. Call at every step."""
        if self._bar is not None:
            self._bar.update(step - self._bar.n)

    def show(self, step: int, values: Mapping[str, float]) -> None:
        """Puts the values of `step` beside the bar, or prints them as a line. Call once a log period."""
        if self._bar is not None:
            self._bar.set_description_str(f"  {format_values(values)}", refresh=False)
            self._bar.update(step - self._bar.n)
            self._bar.refresh()
        else:
            self.write(format_line(step, self._total, values))

    def write(self, message: str) -> None:
        """Prints a line of text, above the bar if there is one."""
        if self._bar is not None:
            self._bar.write(message, file=self._stream)
        elif self._enabled:
            print(message, file=self._stream, flush=True)

    def close(self) -> None:
        """Leaves the bar's last state on the screen."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
