"""Commands of the documentation from start to end, small, in one process: what one leaves the next reads.

Which they are, and what runs nowhere and why, stands in documented.py. Recipes as toys, evaluations and the commands of
methods run in tests/configs, and this asks those tests which they run; commands of real size are traced at that size.
"""

from __future__ import annotations

import glob
import importlib.util
import json
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import reader
from documented import IN_BUCKET, NOWHERE, PLACES, QUOTED, RUN
from test_commands import COMMANDS
from test_commands_traced import TRACED

import main
from vlp.methods import methods

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# What somebody calls a place of their own, in the value of a flag or of a config's argument.
OWN = re.compile(r"(?<==)(runs/[\w./-]+|[A-Z]{2,}\w*|\w+\.(?:jsonl?|txt|csv))(?=[,\s]|$)")
NAMED = re.compile(
    "|".join(rf"{re.escape(name)}(?!(?<=\w)\w)" for name in sorted(PLACES, key=len, reverse=True))
)


def plain(command: str) -> str:
    return " ".join(command.split())


WRITTEN = {plain(command) for _, command in COMMANDS}
OURS = {command for command in WRITTEN if command.startswith("python main.py")}


def alike(command: str) -> str:
    """A command without the names of the reader's own places, in whatever order its flags stand."""
    words = [word for word in OWN.sub("*", plain(command)).split() if not word.startswith("--workdir=")]
    return " ".join(sorted(words))


def run_in_configs() -> set[str]:
    """What tests/configs run: recipes as toys, evaluations, and each command of a method."""
    sys.path.insert(0, str(ROOT / "tests" / "configs"))
    try:
        from test_every_config import ARGUMENTS, EVALUATIONS, RECIPES
    finally:
        sys.path.pop(0)
    toys = (
        f"--config=configs/{name}.py:{one}" for name in RECIPES for one in ("runlocal", ARGUMENTS.get(name))
    )
    figures = (f"--job=evaluate --checkpoint=RUN --config=configs/eval/{name}.py" for name in EVALUATIONS)
    of_methods = {alike(command) for one in methods() for command in one.command.split(" && ")}
    return of_methods | {alike(f"python main.py {flags}") for flags in (*toys, *figures)}


def test_every_command_of_the_documentation_is_run_somewhere() -> None:
    chosen, elsewhere = {plain(command) for command, _ in (*RUN, *IN_BUCKET)}, run_in_configs()
    assert chosen <= WRITTEN, f"no page has {sorted(chosen - WRITTEN)} any more"
    left = OURS - chosen - {plain(command) for command in TRACED}
    left = {command for command in left if alike(command) not in elsewhere}
    unrun = {part: [one for one in left if re.search(part, one)] for part in (*NOWHERE, *QUOTED)}
    assert all(unrun.values()), (
        f"no command is left out by {[part for part, found in unrun.items() if not found]}"
    )
    left -= {one for found in unrun.values() for one in found}
    assert not left, sorted(left)


@pytest.mark.parametrize("part", QUOTED)
def test_what_another_test_takes_from_the_page_is_there(part: str) -> None:
    assert re.search(part, (ROOT / QUOTED[part]).read_text())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory as the reader's."""
    folder = tmp_path_factory.mktemp("reader")
    reader.make(folder)
    return folder


def words_of(command: str, more: Sequence[str]) -> list[str]:
    """The arguments, what stands for the reader's own replaced; a flag that comes again replaces the first."""
    text = NAMED.sub(lambda found: PLACES[found[0]], command)
    words = [
        name
        for word in shlex.split(text.replace("--step=N", "--step=2"))[2:]
        for name in (sorted(glob.glob(word)) if "*" in word and not word.startswith("-") else [word])
    ]
    again = {word.partition("=")[0] for word in more if not word.startswith("--config.")}
    return [word for word in words if word.partition("=")[0] not in again] + list(more)


def before(command: str) -> None:
    """What stands between two commands: runs of other seeds, the export that somebody imports, and a cleared folder."""
    if "plain-*" in command:
        for name in ("plain", "smoothed"):
            shutil.copytree(f"runs/{name}-0", f"runs/{name}-1")
    if "--source=FOLDER --workdir=runs/theirs" in command:
        export = ("--job=export", "--checkpoint=runs/exportable", "--format=huggingface")
        assert main.main([*export, "--output=runs/exported"]) == 0
    if found := re.search(r"--job=(?:embed|cluster) .*--output=(runs/(?:embedded|clusters))\b", command):
        shutil.rmtree(found[1], ignore_errors=True)


def run(command: str, more: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of(command, more)
    assert main.main(words) == 0, f"{command}: {capsys.readouterr().err}"
    outputs = [word.partition("=")[2] for word in words if word.startswith("--output=")]
    assert all(Path(output).exists() for output in outputs), command


def test_commands_run_in_their_order(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    peers = importlib.util.find_spec("transformers") is not None
    if peers:
        reader.bert(place / "bert")
    for command, more in RUN:
        if peers or "BERT" not in command:
            before(command)
            run(command, more, capsys)
    figures = json.loads(Path("runs/quickstart/results.json").read_text())
    assert "retrieval/val/text_to_image/recall@1" in figures
    left = (
        "runs/tuned/metrics.jsonl",
        "runs/returned/config.json",
        "data/mine/report.json",
        "runs/plan.json",
    )
    assert not [name for name in left if not Path(name).exists()]
    assert Path("docs/methods.md").read_text() == (ROOT / "docs" / "methods.md").read_text()


@pytest.mark.usefixtures("google")
def test_commands_run_in_a_bucket(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    for command, more in IN_BUCKET:
        run(command, more, capsys)
    assert "gs://bucket/runs/first/watch.html" in capsys.readouterr().out
