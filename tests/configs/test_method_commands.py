"""The commands of methods that are a recipe or an evaluation with flags; those without are in test_every_config.py."""

from __future__ import annotations

import json
import math
import shlex

import pytest
from test_every_config import FEW, QUIET, SMALL, VIT, model  # noqa: F401 (a fixture)

import main
from vlp.methods import methods

pytestmark = pytest.mark.slow

CHECKED = [method.command.split(" && ")[-1] for method in methods() if "configs/" in method.command]
FLAGGED = [command for command in CHECKED if "--config." in command]


@pytest.mark.parametrize("command", FLAGGED)
def test_the_command_of_a_method_runs(command, model, tmp_path, capsys):  # noqa: F811
    arguments = [
        argument
        for argument in shlex.split(command)[2:]
        if not argument.startswith(("--workdir=", "--checkpoint="))
    ]
    if "--job=evaluate" in arguments:
        output = tmp_path / "figures.json"
        assert main.main([*arguments, f"--checkpoint={model}", f"--output={output}", *FEW]) == 0
        figures = json.loads(output.read_text())
    else:
        off = ("--config.evaluators={}", "--config.steps=2", "--config.optimizer.schedule.warmup_steps=1")
        assert main.main([*arguments, f"--workdir={tmp_path}", *SMALL, *VIT, *QUIET, *off]) == 0
        logged = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
        figures = {str(line["step"]): line["loss"] for line in logged if "loss" in line}
    assert figures and all(math.isfinite(value) for value in figures.values() if isinstance(value, float))
