"""docs/extending.md as it is written: parts of a user's own folder are trained with, checked, shown and restored."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILE = re.compile(r"`(\w+\.py)`[^\n]*\n+```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page tells to write."""
    folder = tmp_path_factory.mktemp("mine")
    files = dict(FILE.findall((ROOT / "docs/extending.md").read_text(encoding="utf-8")))
    assert set(files) == {"spread.py", "gap.py", "stripes.py", "watch.py", "striped.py"}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "main.py"), "--config=striped.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_parts_of_a_users_own_folder_are_trained_with(folder: Path) -> None:
    done = run(folder, "--workdir=run", "--config.objectives.spread.sharpness=2.5")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    last = {name: value for line in lines for name, value in line.items()}
    assert {"spread/potential", "contrastive/loss", "second/loss"} <= set(last)
    assert [line["watch/pairs"] for line in lines if "watch/pairs" in line] == [16, 32, 48, 64]
    results = json.loads((folder / "run/results.json").read_text())
    assert 0 < results["gap/stripes/distance"] < 2 and "retrieval/stripes/text_to_image/recall@1" in results
    config = json.loads((folder / "run/config.json").read_text())
    assert {
        "kind": "spread:Spread",
        "weight": 0.1,
        "sharpness": 2.5,
    }.items() <= config["objectives"]["spread"].items()
    # A model of it is read where none of these files is.
    code = f"import vlp; print(vlp.load({str(folder / 'run')!r}).encode_text(['red and blue stripes']).shape)"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert elsewhere.stdout.strip() == "(1, 128)", elsewhere.stderr


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--config.objectives.spread.sharpness=0", "spread.sharpness=0.0 must be above 0"),
        ("--config.objectives.spread.sharpnes=1", "the nearest is --config.objectives.spread.sharpness"),
        ("--config.objectives.more={'kind': 'spread:Spred'}", "spread has no 'Spred'"),
        ("--config.objectives.more={'kind': 'sprad:Spread'}", "there is no module 'sprad' to import"),
        ("--config.evaluators.more={'kind': 'gap:Gap', 'caption': 2}", "did you mean 'captions'"),
        (
            "--config.data.sources.more={'format': 'stripe:Stripes', 'path': '3'}",
            "there is no module 'stripe'",
        ),
    ],
)
def test_a_wrong_entry_of_a_users_own_kind_is_one_line(folder: Path, flag: str, message: str) -> None:
    done = run(folder, "--workdir=wrong", flag)
    assert done.returncode == 2 and message in done.stderr
    assert done.stderr.count("\n") == 1 and not (folder / "wrong").exists()


def test_help_tells_what_a_users_own_settings_mean(folder: Path) -> None:
    shown = run(folder, "--help").stdout
    assert re.search(r"--config.objectives.spread.sharpness=3.0 +of the Gaussian \(above 0\)", shown)


WORDS = '''
"""Words of a list, and nothing else."""

import json
from input_pipeline.tokenizers.base import SpecialIds, Tokenizer


class Words(Tokenizer):
    kind, files = "words:Words", (".json",)

    def _load(self):
        self._words = json.loads(self._data)
        self.special, self._longest_piece = SpecialIds(0, 1, 2), 20
        return 4 + len(self._words)

    def _pieces(self, texts):
        places = {word: place for place, word in enumerate(self._words, 4)}
        return [[places.get(word, 3) for word in text.lower().split()] for text in texts]

    def _text(self, ids):
        return " ".join(self._words[place - 4] if place > 3 else "?" for place in ids)
'''


@pytest.mark.slow
def test_a_tokenizer_of_a_users_own_is_trained_with_and_loaded(folder: Path, tmp_path: Path) -> None:
    (folder / "words.py").write_text(WORDS)
    (folder / "words.json").write_text('["red", "green", "blue", "white", "and", "stripes"]')
    flags = ("--config.tokenizer.kind=words:Words", "--config.tokenizer.path=words.json", "--config.steps=1")
    done = run(folder, f"--workdir={tmp_path / 'run'}", *flags)
    assert done.returncode == 0, done.stderr
    code = (
        f"import vlp; model = vlp.load({str(tmp_path / 'run')!r}); "
        "ids, mask = model.tokenizer.encode(['Red stripes']); "
        "print(model.tokenizer.decode(ids[0][mask[0]]), model.encode_text(['a red']).shape)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.stdout.strip() == "red stripes (1, 128)", loaded.stderr


TEXTS = '''
"""The mean of embedded tokens."""

from flax import nnx

from vlp.models.families import Family
from vlp.models.vision import TowerOutput


class MeanTower(nnx.Module):
    """Tokens without an order."""

    def __init__(self, config, *, vocabulary_size, length, compute, rngs):
        self.width = config.width
        self.embedding = nnx.Embed(vocabulary_size, config.width, rngs=rngs)

    def __call__(self, ids, mask):
        tokens, real = self.embedding(ids), mask[..., None]
        return TowerOutput((tokens * real).sum(axis=1) / real.sum(axis=1).clip(1), tokens)


class Mean(Family):
    """Kind 'means:Mean'."""

    tower = "means:MeanTower"

    def forward_flops(self, settings, inputs, embed_dim):
        return 2 * settings.width * embed_dim
'''


@pytest.mark.slow
def test_a_text_tower_of_a_users_own_is_trained_evaluated_and_loaded(folder: Path, tmp_path: Path) -> None:
    (folder / "means.py").write_text(TEXTS)
    flags = ("--config.model.text.kind=means:Mean", "--config.steps=2", f"--workdir={tmp_path / 'run'}")
    done = run(folder, *flags)
    assert done.returncode == 0, done.stderr
    assert "retrieval/stripes/text_to_image/recall@1" in json.loads(
        (tmp_path / "run/results.json").read_text()
    )
    code = (
        f"import vlp; model = vlp.load({str(tmp_path / 'run')!r}); "
        "one, other = model.encode_text(['red and blue', 'blue and red']); print(abs(one - other).max() < 1e-6)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.stdout.strip() == "True", loaded.stderr
    absent = run(folder, *flags[1:], "--config.model.text.kind=means:Median")
    assert (
        absent.returncode == 2
        and "module 'means' has no attribute 'Median'" in absent.stderr
        and absent.stderr.count("\n") == 1
    )
