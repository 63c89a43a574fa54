"""The list of published methods: every row has a command that is right and a test that is there."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

import pytest

import main
from vlp.cli import prepare
from vlp.configuration import ConfigError
from vlp.methods import FAMILIES, Method, filled, methods

ROOT = Path(__file__).resolve().parents[1]
FOUND = methods()
NO_METHOD = {
    *(f"configs/{name}.py" for name in ("base", "common", "quickstart")),
    "configs/eval/known_set.py",
}


@pytest.mark.parametrize("method", FOUND, ids=lambda method: method.paper.partition(":")[0])
def test_a_method_has_a_command_that_is_right_and_a_test_that_is_there(method: Method) -> None:
    assert method.family in FAMILIES and re.fullmatch(r"(\d{4}\.\d{4,5})?", method.arxiv)
    made: list[str] = []  # by the commands before, which tests/configs/test_method_commands.py runs
    for command in method.command.split(" && "):
        program, file, *arguments = shlex.split(command)
        assert (program, file) == ("python", "main.py")
        try:
            prepare(arguments)  # its config is resolved and checked, its data are there
        except ConfigError as error:
            assert any(
                re.search(rf"(no|not) .*{re.escape(path)}|{re.escape(path)} is no", str(error))
                for path in made
            )
        made += [one.partition("=")[2] for one in arguments if one.startswith(("--workdir=", "--output="))]
    path, _, test = method.check.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_method_is_there_twice_and_every_config_has_one() -> None:
    assert len({method.paper for method in FOUND}) == len(FOUND)
    with_config = {method.config for method in FOUND}
    files = [*(ROOT / "configs").glob("[!_]*.py"), *(ROOT / "configs/eval").glob("[!_]*.py")]
    without = {file.relative_to(ROOT).as_posix() for file in files} - with_config - NO_METHOD
    assert not without, "say in each which published methods it is: METHODS, see vlp/methods.py"


def test_every_family_that_trains_has_a_recipe() -> None:
    """Which tests/configs/test_every_config.py trains: losses are finite, and parameters move."""
    recipes = {path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").glob("[!_]*.py")}
    there = {method.family for method in FOUND} - {"evaluation", "data"}
    trained = {method.family for method in FOUND if method.config in recipes}
    assert (
        there <= trained and {"contrastive", "clustering", "distillation", "hybrid", "supervised"} <= trained
    )


@pytest.mark.parametrize("name", ["README.md", "docs/methods.md"])
def test_tables_in_the_docs_are_those_of_the_files(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert filled(text) == text, f"python main.py --job=methods --output={name} writes it anew"


def test_the_job_prints_and_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--job=methods"]) == 0
    assert "CLIP: Learning Transferable" in capsys.readouterr().out
    output = tmp_path / "methods.json"
    assert main.main(["--job=methods", f"--output={output}"]) == 0
    rows = json.loads(output.read_text(encoding="utf-8"))
    assert {key for row in rows for key in row} == {"paper", "arxiv", "family", "config", "command", "check"}
    assert len(rows) == len(FOUND)


@pytest.mark.parametrize("name", ["methods.txt", "nothing.md", "plain.md"])
def test_other_outputs_are_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plain.md").write_text("no block\n", encoding="utf-8")
    assert main.main(["--job=methods", f"--output={tmp_path / name}"]) == 2
    assert "block" in capsys.readouterr().err
