"""Commands of the documentation from start to end, small, one after the other in one process: what one leaves the next
reads. The commands of methods run in tests/configs/test_method_commands.py; what runs nowhere is named with the reason.
"""

from __future__ import annotations

import glob
import io
import json
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from test_commands import COMMANDS

import main
from vlp.methods import methods

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FEW = tuple(f"--config.data.evaluation.{name}.fraction=0.1" for name in ("val_vendor", "val", "test"))
FEATURES = (*FEW[1:], "--config.data.evaluation.train.fraction=0.05")
HELD = (
    *("--config.evaluators.zero_shot.every=0", "--config.evaluators.zero_shot.final=false"),
    *("--config.evaluators.retrieval.every=0", "--config.evaluators.retrieval.sets=val"),
)
SIZES = (
    *(
        f"--config.model.{tower}.{size}"
        for tower in ("image", "text")
        for size in ("width=16", "depth=1", "heads=2", "mlp_dim=32")
    ),
    "--config.model.embed_dim=16",
)
TINY = ("--config=configs/quickstart.py:runlocal", *SIZES)
SHORT = (
    *("--config.steps=2", "--config.batch_size=16", "--config.checkpoint.every=1"),
    *("--config.log.every=1", "--config.log.tensorboard=false"),
    *HELD,
    *FEW,
)
ONE_ROUND = ("--config.steps=2", "--config.batch_size=8", "--config.evaluators={}")
BUDGET = ("--config.select.budget=20",)
REPLICAS = ("--config.checkpoint.local_every=1", "--config.checkpoint.local_folder=runs/replicas")
SHARE = "--config.data.sources.quickstart.fraction=0.02"

# In their order: a command as a page has it, and what makes it small.
RUN: tuple[tuple[str, Sequence[str]], ...] = (
    ("python main.py", (*TINY, *SHORT)),
    (
        "python main.py --config.objectives.contrastive.label_smoothing=0.1 --workdir=runs/smoothed",
        (*TINY, *SHORT),
    ),
    ("python main.py --job=evaluate --checkpoint=runs/quickstart", ()),
    ("python main.py --job=compare runs/quickstart runs/smoothed", ()),
    ("python main.py --job=compare runs/plain-* runs/smoothed-* --output=runs/smoothing.md", ()),
    ("python main.py --job=replay --checkpoint=WORKDIR --step=N", ()),
    ("python main.py --job=evaluate --checkpoint=RUN --source=FOLDER --config=configs/eval/retrieval.py", ()),
    (
        "python main.py --job=embed --checkpoint=runs/quickstart --config=configs/eval/features.py "
        "--output=runs/embedded",
        FEATURES,
    ),
    (
        "python main.py --job=evaluate --source=runs/embedded --config=configs/eval/features.py",
        (
            "--config.evaluators.features.parts=knn",
            *(f"--config.evaluators.{name}.final=false" for name in ("clusters", "geometry")),
        ),
    ),
    (
        "python main.py --job=cluster --checkpoint=runs/quickstart --config.cluster.k=64 --config.cluster.nearest=4",
        ("--config.data.sources.quickstart.fraction=0.1", "--output=runs/clusters"),
    ),
    (
        "python main.py --config.model.image.pool=class --config.model.image.pre_norm=True "
        "--config.model.text.causal=True --config.model.text.pool=end --workdir=runs/exportable",
        (*TINY, *SHORT),
    ),
    ("python main.py --job=import --source=FOLDER --workdir=runs/theirs", ("--source=runs/exported",)),
    ("python main.py --job=evaluate --checkpoint=runs/theirs --config=configs/eval/retrieval.py", FEW),
    (
        "python main.py --config=runs/theirs/config.json --config.checkpoint.start=runs/theirs --workdir=runs/tuned",
        ("--config.optimizer.learning_rate=1e-4", "--config.optimizer.schedule.warmup_steps=1", *SHORT),
    ),
    (
        "python main.py --job=export --checkpoint=runs/theirs --format=huggingface --output=FOLDER",
        ("--output=runs/back",),
    ),
    ("python main.py --job=inspect", (SHARE,)),
    ("python main.py --job=inspect --source=FOLDER --output=look", ()),
    (
        "python main.py --job=labels --output=tags.json --config.labels.of=tags --config.labels.least=10",
        ("--config.data.sources.quickstart.fraction=0.3",),
    ),
    (
        "python main.py --job=labels --output=runs/tags.json --config.labels.of=tags",
        ("--config.data.sources.quickstart.fraction=0.3",),
    ),
    (
        "python main.py --job=labels --config=configs/catlip.py --config.labels.of=words --config.labels.least=500 "
        "--output=words.json",
        ("--config=configs/catlip.py:runlocal", "--config.labels.least=5"),
    ),
    (
        "python main.py --job=prepare --source=FOLDER --output=data/mine",
        ("--config.prepare.processes=1",),
    ),
    (
        "python main.py --config.data.sources=\"{'mine': {'format': 'array_record', 'path': 'data/mine'}}\"",
        (*TINY, *SHORT, "--workdir=runs/mine"),
    ),
    (
        "python main.py --config.checkpoint.local_every=50 --config.checkpoint.local_folder=/dev/shm/vlp",
        (*TINY, *SHORT, *REPLICAS, "--workdir=runs/kept"),
    ),
    ("python main.py --job=describe --output=runs/descriptions.json", ()),
    ("python main.py --job=describe --config.describe.confusable=3 --output=runs/confusable.json", ()),
    (
        "python main.py --job=tokenizer --output=PATH --config.tokenizer.vocabulary_size=8000",
        ("--config.tokenizer.vocabulary_size=400", "--config.data.sources.quickstart.fraction=0.2"),
    ),
    (
        "python main.py --job=select --checkpoint=runs/start --config.select.by=random --output=runs/bought0.txt "
        "--config.data.sources.quickstart.keep_labels=data/quickstart/tables/categories.json",
        BUDGET,
    ),
    (
        "python main.py --config=configs/coop.py:start=runs/start --workdir=runs/coop$round "
        "--config.data.sources.quickstart.shots=0 --config.data.sources.quickstart.keep_ids=$bought",
        ("--config=configs/coop.py:runlocal,start=runs/quickstart", *SIZES, *ONE_ROUND),
    ),
    (
        "python main.py --job=select --checkpoint=runs/coop$round --config.select.seed=$round "
        "--config.select.bought=$bought --output=runs/bought$round.txt "
        "--config.data.sources.quickstart.keep_ids=",
        BUDGET,
    ),
    ("python main.py --job=methods", ()),
    ("python main.py --job=methods --output=docs/methods.md", ()),
    ("python main.py --help", ()),
)
# What makes a command none to run here, by a part of it.
ELSEWHERE = {
    r":runlocal": "tests/configs: every recipe as a toy, and every command of a method",
    r"--config=configs/\w+\.py:(model|text|curated|captions|teacher)=": "takes days; above it is a toy",
    r"concentration\.py:": "takes days; a method's commands are its toy",
    r"--job=curate|--config=configs/curate/": "tests/configs/test_method_commands.py runs the same",
    r"--job=concept": "tests/jobs/test_concept_job.py, with a program that answers",
    r"--job=suite": "sets that only the reader has; tests/jobs/test_suite_job.py makes all of them, small",
    r"--job=plan --config=configs/siglip2\.py": "compiles a ViT-B/16 for minutes; tests/planning/test_estimates.py",
    r"--job=scaling": "needs several runs of growing data; tests/jobs/test_scaling_job.py",
    r"--job=evaluate --checkpoint=RUN$": "with the name of the run, it is among those that are run",
    r"--checkpoint=runs/(quickstart|methods/first|coca) --config=configs/eval/": "tests/configs: every evaluation",
    r"known_set\.py:": "sets that only the reader has; tests/configs runs cifar10 from a folder",
    r"oidv7|/data/": "files that only the reader has",
    r"--config=configs/unicom\.py .*k=1000000": "a million clusters; the other cluster command is run",
    r"--job=watch": "goes on until it is stopped; tests/jobs/test_watch_job.py",
    r"gs://BUCKET": "tests/runs/test_run_in_bucket.py, on a server of its own",
    r"config\.rollback": "tests/jobs/test_rollback_in_runs.py",
    r"config\.stages\.until=200": "tests/jobs/test_stages_in_runs.py",
    r"config\.frozen\.teacher": "tests/jobs/test_beside_in_runs.py",
    r"spread|striped": "tests/test_extending.py, with the files that the page has",
    r"runs/(bert|lite0)": "weights that only the reader has; tests/interop and tests/runs/test_stored_towers.py, small",
    r"data\.labels=": "tests/jobs/test_labels_job.py",
    r"--workdir=runs/(plain|smoothed)-0": "the first two commands with another seed",
}
PLACES = {
    "RUN": "runs/quickstart",
    "WORKDIR": "runs/quickstart",
    "FOLDER": "mine",
    "PATH": "own.model",
    "runs/start": "runs/quickstart",
    "$round": "1",
    "$bought": "runs/bought0.txt",
}


def plain(command: str) -> str:
    return " ".join(command.split())


WRITTEN = {plain(command) for _, command in COMMANDS}


def test_every_command_of_the_documentation_is_run_somewhere() -> None:
    of_methods = {plain(command) for one in methods() for command in one.command.split(" && ")}
    ours = {command for command in WRITTEN if command.startswith("python main.py")} - of_methods
    chosen = {command for command, _ in RUN}
    assert chosen <= WRITTEN, f"no page has {sorted(chosen - WRITTEN)} any more"
    left = sorted(one for one in ours - chosen if not any(re.search(part, one) for part in ELSEWHERE))
    assert not left, f"these are run by no test: {left}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory as the reader's, with a folder of captioned pictures."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("mine", "docs", "runs"):
        (folder / name).mkdir()
    rows = pq.read_table(ROOT / "data" / "quickstart" / "val.parquet").slice(0, 12).to_pylist()
    for number, row in enumerate(rows):
        Image.open(io.BytesIO(row["image"])).convert("RGB").save(folder / "mine" / f"{number}.png")
        (folder / "mine" / f"{number}.txt").write_text(row["captions"][0])
    shutil.copy(ROOT / "docs" / "methods.md", folder / "docs")
    return folder


def words_of(command: str, more: Sequence[str]) -> list[str]:
    """The arguments, what stands for the reader's own replaced; a flag that comes again replaces the first."""
    text = re.sub(
        r"\b(RUN|WORKDIR|FOLDER|PATH|runs/start)\b|\$round|\$bought", lambda found: PLACES[found[0]], command
    )
    words = [
        name
        for word in shlex.split(text.replace("--step=N", "--step=2"))[2:]
        for name in (sorted(glob.glob(word)) if "*" in word else [word])
    ]
    again = {word.partition("=")[0] for word in more if not word.startswith("--config.")}
    return [word for word in words if word.partition("=")[0] not in again] + list(more)


def before(command: str) -> None:
    """What stands between two commands: runs of other seeds, and the export that somebody imports."""
    if "plain-*" in command:
        for name in ("plain-0", "plain-1", "smoothed-0", "smoothed-1"):
            origin = {"plain": "quickstart", "smoothed": "smoothed"}[name.partition("-")[0]]
            shutil.copytree(f"runs/{origin}", f"runs/{name}")
    if "--job=import" in command:
        export = ("--job=export", "--checkpoint=runs/exportable", "--format=huggingface")
        assert main.main([*export, "--output=runs/exported"]) == 0


def test_commands_run_in_their_order(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    for command, more in RUN:
        before(command)
        words = words_of(command, more)
        assert main.main(words) == 0, f"{command}: {capsys.readouterr().err}"
    figures = json.loads(Path("runs/quickstart/results.json").read_text())
    assert "retrieval/val/text_to_image/recall@1" in figures
    left = (
        *(
            "runs/smoothing.md",
            "runs/embedded",
            "runs/clusters",
            "runs/tuned/metrics.jsonl",
            "runs/back/config.json",
        ),
        *(
            "look",
            "tags.json",
            "runs/tags.json",
            "words.json",
            "runs/mine/results.json",
            "runs/kept/results.json",
        ),
        *("data/mine/report.json", "runs/descriptions.json", "runs/confusable.json"),
        "own.model",
    )
    assert all(Path(name).exists() for name in left), [name for name in left if not Path(name).exists()]
    assert Path("docs/methods.md").read_text() == (ROOT / "docs" / "methods.md").read_text()
