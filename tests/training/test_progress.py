"""The progress line: what it says, on a terminal and off."""

from __future__ import annotations

import io

import pytest

from vlp.training.progress import Progress, format_line

VALUES = {
    "loss": 3.2141,
    "logit_scale": 21.31,
    "gradient_norm": 0.8432,
    "pairs_per_second": 912.4,
    "mfu": 0.412,
    "data_wait_share": 0.004,
    "eta_seconds": 102.0,
    "learning_rate": 1e-3,
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_is_compact_and_leaves_out_what_is_not_there() -> None:
    expected = "step 300/900  loss 3.214  scale 21.3  grad 0.843  912 pairs/s  mfu 41%  data 0.4%  eta 1:42"
    assert format_line(300, 900, VALUES) == expected
    assert format_line(1, 9, {"loss": 2.0}) == "step 1/9  loss 2"
    assert format_line(0, 9, {}) == "step 0/9"
    values = {
        "accuracy": 0.1,
        "positive_cosine": 0.5,
        "negative_cosine": -0.25,
        "teacher_entropy": 2.0,
        "empty": 0.02,
    }
    assert format_line(1, 9, values) == "step 1/9  acc 10%  cos+ 0.50  cos- -0.25  entropy 2  empty 2.0%"


def test_replaced_records_are_told_by_reason() -> None:
    values = {"loss": 2.0, "data/replaced": 5, "data/replaced/undecodable": 2, "data/replaced/no_caption": 3}
    assert format_line(1, 9, values) == "step 1/9  loss 2  replaced 2 undecodable, 3 no_caption"
    assert format_line(1, 9, {"loss": 2.0, "data/replaced": 0}) == "step 1/9  loss 2"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3600.0, "1:00:00"), (90061.0, "25:01:01")]
)
def test_eta_is_minutes_or_hours(seconds: float, text: str) -> None:
    assert format_line(1, 2, {"eta_seconds": seconds}).endswith(f"eta {text}")


def test_large_rates_are_whole_numbers() -> None:
    assert format_line(1, 2, {"pairs_per_second": 123456.7}) == "step 1/2  123457 pairs/s"


def test_without_a_terminal_there_is_one_plain_line_a_period() -> None:
    stream = io.StringIO()
    with Progress(6, stream=stream) as progress:
        for step in range(1, 7):
            progress.advance(step)
            if step % 3 == 0:
                progress.show(step, {"loss": float(step)})
        progress.write("saved")
    assert stream.getvalue() == "step 3/6  loss 3\nstep 6/6  loss 6\nsaved\n"


def test_on_a_terminal_there_is_one_bar_that_moves_between_periods() -> None:
    stream = Terminal()
    with Progress(6, initial=2, stream=stream) as progress:
        progress.advance(3)
        progress.show(3, VALUES)
        for step in (4, 5, 6):
            progress.advance(step)
        progress.write("retrieval done")
    frames = stream.getvalue().replace("\n", "\r").split("\r")
    assert any(frame.startswith("step 2/6") for frame in frames)
    steps = [
        int(frame.removeprefix("step ").partition("/")[0]) for frame in frames if frame.startswith("step ")
    ]
    assert steps == sorted(steps) and steps[-1] == 6
    last = [frame for frame in frames if frame.startswith("step ")][-1]
    assert last.startswith("step 6/6  loss 3.214  scale 21.3") and "eta 00:00" in last
    assert not any("eta 1:42" in frame for frame in frames)  # the bar's own estimate only
    assert "retrieval done" in frames


def test_other_processes_are_silent() -> None:
    for stream in (io.StringIO(), Terminal()):
        with Progress(2, enabled=False, stream=stream) as progress:
            progress.advance(1)
            progress.show(2, VALUES)
            progress.write("text")
        assert stream.getvalue() == ""
