"""The package that pip builds and installs: one top-level name, with defaults and data, in anybody's folder."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from saved_models import saved_model

ROOT = Path(__file__).resolve().parents[1]
BESIDE = ("configs", "input_pipeline")
PACKED = ("vlp", *BESIDE, "data")
moved = runpy.run_path(str(ROOT / "setup.py"))["moved"]


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a program that has to end well; returns what it prints."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without a network, from a copy: building leaves files."""
    source, built = tmp_path_factory.mktemp("source") / "vlp", tmp_path_factory.mktemp("wheel")
    for name in PACKED:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (
        *ROOT.glob("*.toml"),
        *ROOT.glob("*.txt"),
        ROOT / "setup.py",
        ROOT / "README.md",
        ROOT / "LICENSE",
    ):
        shutil.copy(file, source)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "wheel", *options, "-w", built, source, cwd=built)
    return next(built.glob("vlp-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that has the wheel, and finds its requirements where this one has them."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    here = folder / "bin" / "python"
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--ignore-installed")
    run(sys.executable, "-m", "pip", "--python", here, "install", *options, wheel, cwd=folder)
    return here


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with modules called as ours are."""
    folder = tmp_path_factory.mktemp("theirs")
    for name in BESIDE:
        (folder / f"{name}.py").write_text("raise SystemExit('theirs was run')\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_wheel_has_one_top_level_name_and_everything_that_is_not_code(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        code = {name: archive.read(name).decode() for name in names if name.endswith(".py")}
    assert {name.partition("/")[0] for name in names} == {"vlp"}
    expected = {
        f"{'' if package == 'vlp' else 'vlp/'}{file.relative_to(ROOT).as_posix()}"
        for package in PACKED
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert expected == set(names)
    assert not {name for name, source in code.items() if called_for(source) & set(BESIDE)}


def called_for(source: str) -> set[str]:
    """The top-level names that a module imports, or names in a text such as 'package.module:Class'."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Constant) and re.fullmatch(r"\w+(\.\w+)+(:\w+)?", str(node.value)):
            found.add(str(node.value).partition(".")[0])
    return found


@pytest.mark.slow
def test_an_installed_package_loads_a_model_in_anybodys_folder(
    python: Path, foreign: Path, tmp_path: Path
) -> None:
    workdir = saved_model(tmp_path / "run")
    program = f"import vlp; print(vlp.load({str(workdir)!r}).encode_text(['a cat']).shape, vlp.__file__)"
    said = run(python, "-c", program, cwd=foreign)
    assert said.startswith("(1, 128) ") and str(python.parents[1]) in said


@pytest.mark.slow
def test_the_command_runs_jobs_on_the_data_it_brings(python: Path, foreign: Path) -> None:
    command = python.parent / "vlp"
    helped = run(command, "--help", cwd=foreign)
    assert "  vlp --job=evaluate" in helped and "--config.name=quickstart" in helped
    said = run(command, "--job=describe", "--output=descriptions.json", cwd=foreign)
    assert said.startswith("descriptions.json: ")
    own = "from vlp.configs import clip\n\ndef get_config():\n    return clip.get_config('runlocal')\n"
    (foreign / "mine.py").write_text(own, encoding="utf-8")
    assert "--config.name=clip_vit_b16_224" in run(command, "--config=mine.py", "--help", cwd=foreign)


def test_what_the_packages_are_called_is_changed_where_they_are_named_and_nowhere_else() -> None:
    source = (
        "from configs import base\nfrom input_pipeline.records import BadRecord\nimport configsomething\n"
        "FOLDER = files('input_pipeline.views')\n"
        "CLASS = 'input_pipeline.sources.csv:Csv'\nTARGET = \"vlp.model:Model\"\n"
        "FILE = 'configs/clip.py'  # from configs\n"
    )
    assert moved(source) == (
        "from vlp.configs import base\nfrom vlp.input_pipeline.records import BadRecord\nimport configsomething\n"
        "FOLDER = files('vlp.input_pipeline.views')\n"
        "CLASS = 'vlp.input_pipeline.sources.csv:Csv'\nTARGET = \"vlp.model:Model\"\n"
        "FILE = 'configs/clip.py'  # from configs\n"
    )
