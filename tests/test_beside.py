"""In somebody else's folder the project runs its own files, and none that lies there but the config that was named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from saved_models import saved_model

ROOT = Path(__file__).resolve().parents[1]
FOREIGN = (
    *("configs/__init__.py", "configs/base.py", "configs/common.py", "configs/quickstart.py"),
    *("input_pipeline.py", "main.py", "model.py", "parts.py", "jobs.py", "settings.py"),
)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder whose Python files, called as ours are, leave a mark when they are run."""
    folder = tmp_path / "theirs"
    for name in FOREIGN:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        mark = tmp_path / "marks" / name.replace("/", "_")
        file.write_text(f"import pathlib\npathlib.Path({str(mark)!r}).write_text('run')\n", encoding="utf-8")
    (tmp_path / "marks").mkdir()
    return folder


def run_there(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in the folder, and sees that it ends well and that nothing there was run."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not [mark.name for mark in (folder.parent / "marks").iterdir()]
    return done


@pytest.mark.slow
def test_a_checkpoint_is_loaded_without_running_what_lies_around(foreign: Path, tmp_path: Path) -> None:
    workdir = saved_model(tmp_path / "run")
    program = f"import vlp; print(vlp.load({str(workdir)!r}).encode_text(['a cat']).shape)"
    assert run_there(foreign, "-c", program).stdout == "(1, 128)\n"


def test_jobs_run_the_projects_own_config_where_none_was_named(foreign: Path) -> None:
    helped = run_there(foreign, str(ROOT / "main.py"), "--help").stdout
    assert "--config.name=quickstart" in helped


@pytest.mark.slow
def test_processes_of_the_loader_find_our_packages_and_not_those_around(foreign: Path) -> None:
    program = (
        "import vlp\n"
        "from input_pipeline.stream import make_stream\n"
        "from input_pipeline.tokenizers import load_tokenizer\n"
        "from vlp.configuration import load_config, resolve\n"
        "from vlp.runs.data import preprocessing_spec\n"
        "config = resolve(load_config('configs/quickstart.py:runlocal', own=True))\n"
        "stream = make_stream(config.data, preprocessing=preprocessing_spec(config), batch_size=8, seed=0,\n"
        "                     tokenizer=load_tokenizer(config.tokenizer))\n"
        "batches = stream.batches(workers=1, threads=1, prefetch=1)\n"
        "print(len(next(batches)['index']))\n"
        "batches.close()\n"
    )
    assert run_there(foreign, "-c", program).stdout == "8\n"


def test_a_named_config_is_run_with_what_lies_beside_it(foreign: Path) -> None:
    (foreign / "near.py").write_text("from configs import base\nfrom beside_it import NAME\n" + CONFIG)
    (foreign / "beside_it.py").write_text("NAME = 'mine'\n")
    helped = run_there(foreign, str(ROOT / "main.py"), "--config=near.py", "--help").stdout
    assert "--config.name=mine" in helped


CONFIG = """
def get_config():
    config = base.get_config()
    config.name = NAME
    return config
"""


def test_the_packages_have_one_name_in_a_checkout_and_installed(foreign: Path) -> None:
    program = (
        "from vlp.configs import base; from vlp.input_pipeline.records import BadRecord\n"
        "import configs.base, input_pipeline.records\n"
        "assert base is configs.base and base.__spec__.name == 'configs.base'\n"
        "assert BadRecord is input_pipeline.records.BadRecord\n"
    )
    run_there(foreign, "-c", program)


def test_a_package_of_the_same_name_that_was_there_first_is_named(foreign: Path) -> None:
    program = (
        "import sys, types; there = sys.modules['input_pipeline'] = types.ModuleType('input_pipeline')\n"
        "there.__file__ = '/theirs/input_pipeline.py'\n"
        "try: import vlp\n"
        "except ImportError as error: print(error)"
    )
    said = run_there(foreign, "-c", program).stdout
    assert "'input_pipeline' (/theirs/input_pipeline.py) was imported before vlp" in said
    assert "import vlp first, or install it" in said
