"""main.py as a user meets it: every mistake is one line and exit code 2, and nothing heavy is loaded for it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# arguments -> what the one line must say
MISTAKES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unknown key": (
        ("--config.optimzer.learning_rate=1",),
        ("config.optimzer.learning_rate", "nearest is --config.optimizer.learning_rate"),
    ),
    "a key without its group": (("--config.warmup_steps=1",), ("optimizer.schedule.warmup_steps",)),
    "a loss by its paper's name": (
        ("--config.objectives.siglip.weight=1",),
        ("nearest is --config.objectives.contrastive.kernel",),
    ),
    "an entry that is called like an alias": (
        ("--config.objectives.siglip={'kind': 'contrastive'}", "--config.objectives.siglip.weigth=1"),
        ("nearest is --config.objectives.siglip.weight",),
    ),
    "a group": (("--config.optimizer=adam",), ("config.optimizer is a group", "--config.optimizer.")),
    "text for a whole number": (("--config.steps=many",), ("config.steps=many", "whole number")),
    "a fraction for a whole number": (("--config.steps=1.5",), ("config.steps=1.5", "whole number")),
    "text for a number": (("--config.optimizer.learning_rate=fast",), ("learning_rate=fast", "a number")),
    "no finite number": (("--config.optimizer.learning_rate=nan",), ("learning_rate=nan", "a number")),
    "text for a boolean": (("--config.model.text.causal=perhaps",), ("causal=perhaps", "true or false")),
    "a wrong item": (("--config.evaluators.retrieval.k=1,x",), ("evaluators.retrieval.k", "int", "'x'")),
    "a value without its flag": (("--config.steps",), ("config.steps",)),
    "missing config file": (
        ("--config=configs/quikstart.py",),
        ("quikstart.py", "did you mean", "quickstart.py"),
    ),
    "no config file named": (("--config",), ("--config needs a file",)),
    "a file without get_config": (("--config=configs/common.py",), ("no function get_config",)),
    "unknown config argument": (
        ("--config=configs/clip.py:modle=vit_b16",),
        ("modle", "did you mean 'model'"),
    ),
    "config argument of a wrong type": (
        ("--config=configs/clip.py:resolution=big",),
        ("resolution", "'big'"),
    ),
    "unknown model": (("--config=configs/clip.py:model=resnet",), ("model=resnet", "vit_b")),
    "no bucket as workdir": (("--workdir=ftp://bucket/run",), ("ftp://bucket/run", "at gs:// or s3://")),
    "unknown flag": (("--wrkdir=/tmp/x",), ("--wrkdir", "did you mean --workdir")),
    "a leaf without --config": (("--learning_rate=1",), ("did you mean --config.optimizer.learning_rate",)),
    "no flag at all": (("train",), ("'train' is not a flag",)),
    "unknown job": (("--job=trian",), ("trian", "did you mean 'train'", "tokenizer")),
    "another job's option": (
        ("--step=3",),
        ("--step is for --job=replay", "this is --job=train", "leave it out"),
    ),
    "data that training is not told so": (
        ("--source=data/quickstart",),
        ("--source is for --job=concept", "this is --job=train", "--config.data.sources="),
    ),
    "a checkpoint to train": (
        ("--checkpoint=runs/a",),
        ("this is --job=train", "--config.checkpoint.start=PATH"),
    ),
    "a checkpoint of no use": (("--job=describe", "--checkpoint=runs/a"), ("--job=describe: leave it out",)),
    "unknown change": (("--allow_config_change=optimzer",), ("optimzer", "did you mean 'optimizer'")),
    "a value that is not allowed": (
        ("--config.model.dtype=float16",),
        ("float16", "'bfloat16'", "did you mean"),
    ),
    "missing data": (("--config.data.sources.quickstart.path=nowhere",), ("quickstart.path", "'nowhere'")),
    "a source that is none": (
        ("--config.data.sources={'mine': 3}",),
        ("data.sources.mine", "'path': '/data/cc12m'"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(mistake: str, run_main: Run) -> None:
    arguments, expected = MISTAKES[mistake]
    result = run_main(*arguments)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("error: ")
    for part in expected:
        assert part in result.stderr


def test_a_mistake_inside_a_config_file_says_where(run_main: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def get_config():\n    steps = 3\n    return stepz\n", encoding="utf-8")
    result = run_main(f"--config={file}")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "line 3" in result.stderr and "stepz" in result.stderr


def test_a_misspelt_key_in_a_config_file_is_refused(run_main: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from configs import base\n\ndef get_config():\n    config = base.get_config()\n"
        "    config.optimizer.learning_rat = 1.0\n    return config\n",
        encoding="utf-8",
    )
    result = run_main(f"--config={file}")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "line 5" in result.stderr and "learning_rate" in result.stderr


def test_help_says_what_there_is(run_main: Run) -> None:
    result = run_main("--help")
    assert result.returncode == 0 and result.stderr == ""
    for part in ("Usage:", "Examples:", "--workdir", "--config.optimizer.learning_rate=", "--job"):
        assert part in result.stdout
    for job in ("train", "tokenizer"):
        summary = next(line.split()[1:] for line in result.stdout.splitlines() if line.split()[:1] == [job])
        assert summary, f"{job} has no summary"


def test_help_says_what_every_leaf_means(run_main: Run) -> None:
    shown = run_main("--config=configs/tagging.py:runlocal", "--help").stdout.split(
        "each of its leaves is a flag:"
    )[1]
    leaves = [line for line in shown.splitlines() if line.startswith("  --config.")]
    assert len(leaves) > 400
    unsaid = [line for line in leaves if not re.search(r" {1,}\S.*[a-z]{2}", line.removeprefix("  ")[40:])]
    assert not unsaid, "a setting has no meaning: configs/settings"


def test_help_says_which_job_takes_an_option(run_main: Run) -> None:
    said = run_main("--help").stdout
    for option, job in {"step": "replay", "topology": "plan", "format": "export"}.items():
        line = next(line for line in said.splitlines() if line.startswith(f"  --{option} "))
        assert f"with --job={job}: " in line


def test_help_shows_the_leaves_of_the_config_asked_about(run_main: Run) -> None:
    result = run_main("--config=configs/clip.py:model=vit_l14", "--help")
    assert "--config.model.image.size=L" in result.stdout


def test_from_another_folder_the_project_is_found(run_main: Run, tmp_path: Path) -> None:
    result = run_main("--config.steps=0", cwd=tmp_path)
    assert result.returncode == 2
    assert "steps=0" in result.stderr  # config file and data were found, the steps are what is wrong


@pytest.mark.parametrize(
    "program",
    [
        "import vlp; vlp.__version__",
        "import main; main.main(['--help'])",
        "import main; assert main.main(['--config.objectives.contrastive.weight=0']) == 2",
    ],
)
def test_what_touches_no_device_loads_no_jax(program: str, repo_root: Path) -> None:
    check = f"import sys; {program}; sys.exit('jax' in sys.modules or 'grain' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", check], cwd=repo_root, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_vlp_names_what_it_does_not_have() -> None:
    import vlp

    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = vlp.lod
