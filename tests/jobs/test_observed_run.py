"""What a run says of itself while it runs: where its time goes, traces, compiled programs, a sign of life."""

from __future__ import annotations

import base64
import io
import json

import pyarrow.parquet as pq
import pytest
from PIL import Image

from input_pipeline.tokenizers.base import clean_text

pytestmark = pytest.mark.slow


def test_the_time_of_a_run_is_split_and_all_that_was_asked_for_is_there(run_main, tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "1")
    flags = {
        "steps": 8,
        "batch_size": 16,
        "log.every": 2,
        "log.tensorboard": False,
        "checkpoint.every": 2,
        "hooks.samples.every": 3,
        "hooks.samples.most": 5,
        "profile.first": 5,
        "profile.steps": 1,
        "model.image.depth": 1,
        "model.text.depth": 1,
        "evaluators.zero_shot.every": 0,
        "evaluators.zero_shot.final": False,
        "evaluators.retrieval.every": 2,
        "evaluators.retrieval.sets": "val",
    }
    words = [f"--config.{name}={value}" for name, value in flags.items()]
    done = run_main("--config=configs/quickstart.py:runlocal", f"--workdir={tmp_path}", *words)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "timings.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8]
    for line in lines:
        assert 0.99 < line["data_wait_share"] + line["compute_share"] + line["host_share"] < 1.01
        assert min(line["data_wait_share"], line["compute_share"]) >= 0
        assert line["pairs_per_second"] > 0 and line["mfu"] > 0
    # The hooks of a step come after its line: their time is in the next one, and in none of its shares.
    for line in lines[1:]:
        assert line["evaluation_seconds"] > 0 and line["checkpoint_seconds"] > 0
    assert lines[-1]["compiled_programs"] >= lines[0]["compiled_programs"] > 0
    assert "was compiled anew" not in done.stderr
    assert_the_last_samples_are_shown(run_main, tmp_path)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
    assert json.loads((tmp_path / "processes" / "0.json").read_text())["step"] == 8


def assert_the_last_samples_are_shown(run_main, workdir):
    samples = json.loads((workdir / "samples.json").read_text())
    assert (samples["step"], len(samples["samples"])) == (6, 5)
    column = pq.read_table("data/quickstart/train.parquet")["captions"].to_pylist()
    captions = [clean_text(caption).lower() for captions in column for caption in captions]
    for one in samples["samples"]:  # long captions are cut to the tokens of a text
        assert any(caption.startswith(one["text"]) for caption in captions), one["text"]
    for one in samples["samples"]:
        with Image.open(io.BytesIO(base64.b64decode(one["picture"]))) as picture:
            assert picture.format == "WEBP" and picture.size == (64, 64)
    assert run_main("--job=watch", f"--workdir={workdir}", "--seconds=0").returncode == 0
    page = (workdir / "watch.html").read_text()
    assert all(one["picture"] in page for one in samples["samples"]) and "of step 6" in page
