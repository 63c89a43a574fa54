"""A mistake of the user's is one line; a bug keeps its traceback, also where the configuration is being read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from input_pipeline.errors import UserError
from vlp.configuration import ConfigError
from vlp.runs.startup import configuring

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: (_ for _ in ()).throw(UserError("no such set")),
        lambda: json.loads("{"),
        lambda: b"\xff".decode(),
        lambda: pa.array([1, "a"]),
    ],
)
def test_what_was_given_wrongly_is_the_users(mistake) -> None:
    with pytest.raises(ConfigError), configuring():
        mistake()


def test_a_bug_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="matmul") as raised, configuring():
        np.zeros((2, 3)) @ np.zeros((2, 3))
    assert not isinstance(raised.value, UserError)


@pytest.mark.slow
def test_a_bug_in_an_evaluator_shows_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "import dataclasses\nfrom typing import Any\n\nimport numpy as np\n\nfrom vlp.evaluation import Evaluator\n\n\n"
        "@dataclasses.dataclass(frozen=True)\nclass Broken(Evaluator):\n"
        "    name: str\n    data: Any\n    every: int\n    final: bool\n    sets: tuple[str, ...]\n\n"
        "    def chance(self):\n        return {}\n\n"
        "    def __call__(self, model):\n        return {'broken/x': float(np.zeros((2, 3)) @ np.zeros((2, 3)))}\n"
    )
    (tmp_path / "mine.py").write_text(
        "from configs import quickstart\n\n\ndef get_config():\n    config = quickstart.get_config('runlocal')\n"
        "    config.update(steps=1, batch_size=8)\n    for one in config.evaluators.values():\n"
        "        one.update(every=0, final=False)\n"
        "    config.evaluators.broken = {'kind': 'broken:Broken', 'final': True, 'sets': ('val',)}\n    return config\n"
    )
    command = [sys.executable, str(ROOT / "main.py"), "--config=mine.py", "--workdir=run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        "Traceback" in done.stderr and f"{tmp_path / 'broken.py'}" in done.stderr and "matmul" in done.stderr
    )
