"""Every command of the documentation can be given: it is parsed and validated up to what a reader has to fill in."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

import main
from input_pipeline.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RECIPES = sorted((ROOT / "configs").rglob("*.py"))
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:python|benchmarks/|launch/)[^`]+)`")
# What only the reader has: a checkpoint, a folder, a file of another block; and what it is called in an error.
READERS_OWN = re.compile(
    r"there (is|are) (no|nothing)|needs? (a|the|an|at least|obstore)\b|holds no|is no workdir|cannot find|not exist"
    r"|--(checkpoint|source|output)"
)


CHECKED = (
    "python main.py",
    "python benchmarks/",
    "python -m benchmarks.",
    "python -m pytest",
    "benchmarks/",
    "launch/",
)


def commands_of(text):
    """Shell commands in code blocks and between backticks, lines that go on joined, comments and variables left out."""
    blocks = [
        body for language, body in BLOCK.findall(text) if language in ("", "bash", "sh", "shell", "text")
    ]
    outside = BLOCK.sub("", text)
    joined = "\n".join([*blocks, *(part.replace("\n", " ") for part in INLINE.findall(outside))])
    for line in joined.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|; (?:do|done)?|\bdo\b", line):
            command = re.sub(r"\s#.*", "", part).strip()
            command = re.sub(r"^(?:[A-Z_]+=\S+ +)+", "", command.removeprefix("$ "))
            if command.startswith(CHECKED):
                yield command.replace("$seed", "0").replace("...", "").strip()


def docstring_commands(file):
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip().startswith("python main.py"):
            yield re.sub(r"\s#.*", "", line).strip()


COMMANDS = sorted(
    {(page.name, command) for page in PAGES for command in commands_of(page.read_text())}
    | {(file.name, command) for file in RECIPES for command in docstring_commands(file)}
)


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 80 and len({page for page, _ in COMMANDS}) > 15


@pytest.mark.parametrize(
    ("page", "command"), COMMANDS, ids=[f"{page}: {text}"[:90] for page, text in COMMANDS]
)
def test_a_command_can_be_given(page, command, monkeypatch, tmp_path):
    words = shlex.split(command)
    if words[0] == "python":
        words = words[1:]
    if words[0] == "-m" and words[1].startswith("benchmarks."):
        module = ROOT / words[1].replace(".", "/")
        file = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
        words = [str(file.relative_to(ROOT)), *words[2:]]
    if words[0] == "-m":
        assert all((ROOT / word).exists() for word in words[2:] if not word.startswith("-") and "/" in word)
    elif words[0] == "main.py":
        prepared(words[1:])
    else:
        script = ROOT / words[0]
        assert script.exists(), f"{page} names {words[0]}, which is not there"
        if script.is_dir():
            return
        text = script.read_text() + "".join(file.read_text() for file in (ROOT / "benchmarks").rglob("*.py"))
        own, _, passed_on = command.partition(" -- ")
        if passed_on:
            prepared(shlex.split(passed_on))
        for flag in (word.partition("=")[0] for word in own.split() if word.startswith("--")):
            said = f'"{flag}"' in text or f'"{flag[2:]}": ' in text  # by itself, or in a table of flags
            assert said or flag.startswith("--config"), f"{words[0]} has no {flag}"


def prepared(arguments):
    """Parses and validates; what a reader has to put in place may be missing, and is what the error is about."""
    if "--help" in arguments:
        return
    known = re.compile(
        r"[A-Z]{2,}|/data/|/gcs/|runs/|gs://|s3://|striped\.py|spread|look|data/mine|^mine$|data/coco"
    )
    own = [word for word in arguments if known.search(word)]
    try:
        main.prepare(arguments)
    except UserError as error:
        assert own or "siglip" in str(error), f"{error}"
        assert READERS_OWN.search(str(error)), f"{error}"


BLOCKS = [(page.name, *found) for page in PAGES for found in BLOCK.findall(page.read_text())]
PYTHON = [(page, body) for page, language, body in BLOCKS if language == "python"]
OURS = ("vlp", "configs", "input_pipeline")


@pytest.mark.parametrize(
    ("page", "body"), PYTHON, ids=[f"{page}-{number}" for number, (page, _) in enumerate(PYTHON)]
)
def test_python_in_the_documentation_names_what_is_there(page, body):
    """It parses, and what it imports of the project exists."""
    lines = body.splitlines()
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    tree = ast.parse("\n".join(line[indent:] for line in lines).replace(">>> ", ""))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            module = importlib.import_module(node.module)
            for name in node.names:
                found = hasattr(module, name.name) or importlib.util.find_spec(f"{node.module}.{name.name}")
                assert found, f"{page}: {node.module} has no {name.name}"
