"""Jobs that read a model take it as its checkpoint has it: a flag that says otherwise is refused and never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

import main
from vlp.configuration import ConfigError
from vlp.jobs import available

JOBS = sorted(name for name, job in available().items() if job.reads_model)
READ = ("--checkpoint=runs/nowhere", "--config=configs/quickstart.py")
FLAGS = (
    "--config.model.image.resolution=32",
    "--noconfig.model.text.causal",
    "--config.model.dtype=bfloat16",
    "--config.tokenizer.length=9",
    "--config.data.image.resize=squash",
    "--config.data.image.mean=0.4,0.5,0.6",
)


@pytest.mark.parametrize("job", JOBS)
def test_a_flag_about_the_model_is_refused(job: str) -> None:
    for flag in FLAGS:
        path = flag.partition("config.")[2].partition("=")[0]
        with pytest.raises(
            ConfigError, match=rf"^--config\.{path}: --job={job} takes the model of --checkpoint"
        ):
            main.prepare([f"--job={job}", *READ, flag])


def test_what_is_not_the_model_s_may_be_said() -> None:
    assert main.prepare(["--job=embed", *READ, "--config.data.image.flip=true"])[0] == "embed"
    assert main.prepare(["--job=replay", *READ, "--step=2", FLAGS[0]])[0] == "replay"
    assert main.prepare(["--job=evaluate", "--source=runs/embedded", FLAGS[0]])[0] == "evaluate"


def test_every_job_that_loads_a_model_says_so() -> None:
    folder = Path(main.__file__).parent / "vlp" / "jobs"
    loading = {
        file.stem for file in folder.glob("[!_]*.py") if "vlp.load(" in file.read_text(encoding="utf-8")
    }
    assert loading <= {*JOBS} and {"evaluate", "export"} <= {*JOBS}
