"""Training at its real size: each such command is read, and its step traced at full size, as the program would.

Nothing is compiled or allocated. Tracing finds what does not fit together, in a second or two where the run takes days.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import jax
import pytest
from documented import NOWHERE, RUN
from saved_models import saved_model
from test_commands import COMMANDS

import main
from input_pipeline.labels import read_labels
from vlp.checkpoint import find_checkpoint, read_description
from vlp.jobs.plan import Planner

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

SMALL = {" ".join(command.split()) for command, _ in RUN}
REAL = re.compile(r"python main\.py --config=configs/\w+\.py(:(?!runlocal)| |$)")
SKIPPED = re.compile("|".join(NOWHERE))
TRACED = sorted(
    {
        command
        for _, command in COMMANDS
        if REAL.match(command) and " ".join(command.split()) not in SMALL and not SKIPPED.search(command)
    }
)
MORE = {"gist.py": ("--config.batch_size=24",)}  # eight devices share it
# What stands for another run or an imported model.
GUEST = re.compile(r"(?<=[=+])(WORKDIR|CLIP|runs/(reference|who|lite0|bert|animals-nature|objects)\b)")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a model, and what commands name."""
    folder = tmp_path_factory.mktemp("real")
    config = read_description(find_checkpoint(saved_model(folder / "model"))).config
    (folder / "model" / "config.json").write_text(json.dumps(config))
    assert main.main(["--job=labels", "--config.labels.of=tags", f"--output={folder / 'words.json'}"]) == 0
    for name, labels in (("attributes", "categories"), ("tags", "seen_tags")):
        known = read_labels(f"data/quickstart/tables/{labels}.json")
        (folder / f"{name}.json").write_text(json.dumps({label: [f"a {label}"] for label in known}))
    for name in ("gist", "metaclip"):
        curated = folder / "runs" / "curated" / name
        curated.mkdir(parents=True)
        (curated / "kept.txt").write_text("one\n")
        (curated / "texts.jsonl").write_text('{"id": "one", "texts": ["a dog"], "kind": "described"}\n')
    tokenizer = folder / "data" / "tokenizers" / "siglip" / "spiece.model"
    tokenizer.parent.mkdir(parents=True)
    shutil.copy(ROOT / "data" / "quickstart" / "tokenizer.model", tokenizer)
    return folder


@pytest.mark.parametrize("command", TRACED, ids=[command.partition("configs/")[2][:80] for command in TRACED])
def test_a_real_step_is_traced(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    words = shlex.split(GUEST.sub("model", command))[2:]
    more = next((flags for name, flags in MORE.items() if name in command), ())
    _, options = main.prepare(["--job=plan", *words, *more])
    step = Planner(options).trace(options.config)
    state, metrics = step.traced.out_info
    assert step.training.fields and jax.tree.structure(state) == jax.tree.structure(
        step.training.abstract_state
    )
    assert metrics["loss"].shape == ()
