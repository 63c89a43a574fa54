"""The commands of methods, small, that are more than a recipe or an evaluation as it is (see test_every_config.py)."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
from pathlib import Path

import pytest
from test_every_config import ARGUMENTS, EVALUATIONS, FEW, QUIET, RECIPES, SMALL, VIT, model  # noqa: F401 (a fixture)

import main
from vlp.methods import FIRST, Method, methods

pytestmark = pytest.mark.slow

# Their flags but for where the run lies; of the arguments, test_every_config.py takes its own.
PLAIN = {
    *(
        f"--config=configs/{name}.py:{argument}"
        for name in RECIPES
        for argument in ("runlocal", ARGUMENTS.get(name))
    ),
    *(f"--job=evaluate --config=configs/eval/{name}.py" for name in EVALUATIONS),
}
PLACE = re.compile(r" --(workdir|checkpoint)=runs/methods/\S+")


def commands(method: Method) -> list[str]:
    """The arguments of each command but that which trains a model to evaluate."""
    parts = [part.removeprefix("python main.py ") for part in method.command.split(" && ")]
    return [part for part in parts if part != FIRST]


# A run that has been trained, by its arguments but for where it lies: several methods begin with the same.
TRAINED: dict[str, Path] = {}
MORE = [method for method in methods() if PLACE.sub("", commands(method)[-1]) not in PLAIN]


@pytest.mark.parametrize("method", MORE, ids=lambda method: method.paper.partition(":")[0])
def test_the_commands_of_a_method_run(method, model, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(tmp_path)  # which `runs` lies in
    for command in commands(method):
        given = [
            word for word in shlex.split(command) if not word.startswith("--checkpoint=runs/methods/first")
        ]
        if len(given) < len(shlex.split(command)):
            given += [f"--checkpoint={model}", *FEW]
        elif "--job=evaluate" in command:
            given += FEW
        elif "--job=" not in command:
            workdir, same = re.search(r"--workdir=(\S+)", command)[1], PLACE.sub("", command)
            if same in TRAINED:
                shutil.copytree(TRAINED[same], workdir)
                continue
            TRAINED[same] = tmp_path / workdir
            off = ("--config.evaluators={}", "--config.steps=2", "--config.optimizer.schedule.warmup_steps=1")
            given += [*SMALL, *VIT, *QUIET, *off]
        assert main.main(given) == 0, capsys.readouterr().err
    logged = [json.loads(line) for file in tmp_path.rglob("metrics.jsonl") for line in file.open()]
    assert all(math.isfinite(line["loss"]) for line in logged if "loss" in line)
