"""The workdir's files: round trips, resuming after a kill, TensorBoard, one writing process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from vlp.training.writers import MetricsWriter, steps_with, truncate_lines, write_results


def write_run(workdir: Path, first: int, last: int) -> MetricsWriter:
    """A deterministic run: an evaluation line and a training line at every even step."""
    writer = MetricsWriter(workdir, tensorboard=False)
    writer.truncate_to(first - 1)
    for step in range(first, last + 1):
        writer.write_metrics(step, {"loss": 1.0 / (step + 3), "gradient_norm": np.float32(0.1) * step})
        if step % 2 == 0:
            writer.write_metrics(step, {"zero_shot/val/top1": step / 7})
        writer.write_timings(step, {"pairs_per_second": 1e3 / (step + 1)})
    return writer


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_have_sorted_names_and_floats_to_the_last_bit(tmp_path: Path) -> None:
    with MetricsWriter(tmp_path / "new", tensorboard=False) as writer:
        writer.write_metrics(2, {})
        writer.write_metrics(
            3, {"z": 0.1 + 0.2, "a": np.float32(0.1), "n": np.int64(7), "h": ml_dtypes.bfloat16(1.5)}
        )
        written = writer.metrics_path.read_text()
    assert written == '{"step": 3, "a": 0.10000000149011612, "h": 1.5, "n": 7, "z": 0.30000000000000004}\n'


def test_every_cut_of_the_file_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    expected = write_run(tmp_path / "whole", 1, 6).metrics_path.read_bytes()
    restored = 3
    safe = expected.index(b'{"step": 4')  # the checkpoint was saved after the lines of its step
    for cut in range(safe - 1, len(expected) + 1):
        workdir = tmp_path / "killed"
        workdir.mkdir(exist_ok=True)
        (workdir / "metrics.jsonl").write_bytes(expected[:cut])
        assert write_run(workdir, restored + 1, 6).metrics_path.read_bytes() == expected


def test_timings_are_truncated_too(tmp_path: Path) -> None:
    writer = write_run(tmp_path, 1, 6)
    writer.truncate_to(2)
    assert [line["step"] for line in lines(writer.timings_path)] == [1, 2]


def test_a_run_from_scratch_forgets_an_earlier_one(tmp_path: Path) -> None:
    writer = write_run(tmp_path, 0, 3)
    writer.truncate_to(-1)
    assert writer.metrics_path.read_bytes() == b""


@pytest.mark.parametrize(
    "broken", ['{"ste', "5", '["step"]', '{"step": "2"}', '{"step": null}', "[" * 100_000, "\x00"]
)
def test_a_broken_line_in_the_middle_is_reported_and_kept(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n{broken}\n{{"step": 3}}\n')
    with pytest.raises(ValueError, match=r"metrics.jsonl:2 .*mend or remove"):
        truncate_lines(path, 5)
    assert path.read_text().count("\n") == 3
    path.write_text(f'{{"step": 1}}\n{broken}')  # torn by a kill
    truncate_lines(path, 5)
    assert path.read_text() == '{"step": 1}\n'


def test_steps_with_a_figure_of_an_evaluator_are_found(tmp_path: Path) -> None:
    path = write_run(tmp_path, 1, 6).metrics_path
    assert steps_with(path, ["retrieval", "zero_shot"]) == {2, 4, 6}
    assert steps_with(path, ["zero"]) == steps_with(tmp_path / "none", ["zero_shot"]) == set()
    with MetricsWriter(
        tmp_path, tensorboard=False
    ) as writer:  # an objective of an evaluator's name has trained
        writer.write_metrics(7, {"loss": 0.1, "zero_shot/loss": 0.1})
    assert steps_with(path, ["zero_shot"]) == {2, 4, 6}


def test_lines_survive_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from vlp.training.writers import MetricsWriter\n"
        "MetricsWriter(sys.argv[1], tensorboard=False).write_metrics(1, {'loss': 0.5})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, check=False)
    assert lines(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": 0.5}]


def test_a_workdir_that_vanishes_is_an_error_and_not_made_again(tmp_path: Path) -> None:
    writer = write_run(tmp_path / "run", 1, 2)
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"run/metrics\.jsonl"):
        writer.write_metrics(3, {"loss": 1.0})
    assert not (tmp_path / "run").exists()


def test_only_the_enabled_process_writes(tmp_path: Path) -> None:
    with MetricsWriter(tmp_path / "other", enabled=False) as writer:
        writer.truncate_to(0)
        writer.write_metrics(1, {"loss": 1.0})
        writer.write_timings(1, {"mfu": 1.0})
    assert not (tmp_path / "other").exists()


def test_tensorboard_holds_the_values_and_purges_on_resume(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    for first, last in ((1, 4), (3, 5)):
        with MetricsWriter(tmp_path) as writer:
            writer.truncate_to(first - 1)
            for step in range(first, last + 1):
                writer.write_metrics(step, {"contrastive/loss": step / 4})
            writer.write_pictures(last, [("retrieval/found", np.zeros((4, 6, 3), np.uint8))])
    events = [event for path in sorted((tmp_path / "tensorboard").iterdir()) for event in read_events(path)]
    values = [(event.step, value) for event in events for value in event.summary.value]
    assert {(step, one.tag, one.simple_value) for step, one in values if not one.HasField("image")} == {
        (step, "contrastive/loss", step / 4) for step in range(1, 6)
    }
    images = [
        (step, one.tag, one.image.height, one.image.width) for step, one in values if one.HasField("image")
    ]
    assert images == [(4, "retrieval/found", 4, 6), (5, "retrieval/found", 4, 6)]
    assert [event.step for event in events if event.HasField("session_log")] == [1, 3]


def read_events(path: Path) -> list:
    """The events of a TensorBoard file: records of length, checksum, bytes, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content, events, start = path.read_bytes(), [], 0
    while start < len(content):
        size = int.from_bytes(content[start : start + 8], "little")
        events.append(Event.FromString(content[start + 12 : start + 12 + size]))
        start += size + 16
    return events


def test_a_missing_tensorboard_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install tensorboardX"):
        MetricsWriter(tmp_path)


def test_results_are_sorted_and_replace_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(path, {"old": 1.0})
    write_results(
        path, {"zero_shot/val/top1": np.float32(0.5), "retrieval/val/text_to_image/recall@10": 1 / 3}
    )
    assert list(json.loads(path.read_text()).items()) == [
        ("retrieval/val/text_to_image/recall@10", 1 / 3),
        ("zero_shot/val/top1", 0.5),
    ]
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]
