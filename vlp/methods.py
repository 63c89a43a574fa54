"""The published methods that the project holds, as the files say in which they live, and tables of them.

A config file, or a job, declares its own: `METHODS = [{"paper": ..., "arxiv": ..., "family": ..., "check": ...}]`,
where `check` names the test that fails when the method is broken. `argument` is what the config file takes in place of
`runlocal`, `flags` are those of the command beside the file itself, `before` holds the arguments of commands that have
to come first; an evaluation may name the run that it measures in place of a plain one, as `model`. All of it is read
without running anything.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline.errors import UserError
from vlp.beside import PACKAGE, PROGRAM, ROOT

# Of a survey of self-supervision (arXiv 2408.17059), and what is no training.
FAMILIES = (
    *("contrastive", "clustering", "distillation", "masked modelling", "hybrid", "supervised"),
    *("evaluation", "data"),
)
RUNS = "runs/methods"
FIRST = f"--config=configs/quickstart.py:runlocal --workdir={RUNS}/first"  # a model to evaluate
_FACTS = ("paper", "arxiv", "family", "check")
_MORE = ("argument", "flags", "before", "model")


class Method(NamedTuple):
    """A published method.

    Attributes:
      paper: its name and title.
      arxiv: its number there; '' for a paper that is elsewhere.
      family: one of `FAMILIES`.
      config: the file of its settings, or of the job.
      command: runs it on the bundled data, at a toy size.
      check: the test that would fail, as path::test.
    """

    paper: str
    arxiv: str
    family: str
    config: str
    command: str
    check: str


def methods() -> list[Method]:
    """Reads what all files declare: by family, and then by config."""
    found = [one for file, own in _files() for one in _declared(file, own)]
    return sorted(found, key=lambda one: (FAMILIES.index(one.family), one.config, one.paper))


def methods_table(found: list[Method]) -> str:
    """Returns a Markdown table of methods."""
    rows = ["| method | family | what runs it | what checks it |", "| --- | --- | --- | --- |"]
    for one in found:
        paper = f"[{one.paper}](https://arxiv.org/abs/{one.arxiv})" if one.arxiv else one.paper
        commands = "<br>".join(f"`{command}`" for command in one.command.split(" && "))
        rows.append(f"| {paper} | {one.family} | {commands} | `{one.check}` |")
    return "\n".join(rows)


def configs_table() -> str:
    """Returns a Markdown table of the training configs: the first line of each one's docstring."""
    rows = ["| config | what it trains |", "| --- | --- |"]
    for file in sorted((ROOT / "configs").glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        recipe = any(isinstance(node, ast.FunctionDef) and node.name == "get_config" for node in tree.body)
        if recipe and file.stem != "base":
            said = (ast.get_docstring(tree) or "").partition("\n")[0]
            rows.append(f"| `configs/{file.name}` | {said} |")
    return "\n".join(rows)


def filled(text: str) -> str:
    """Returns a Markdown text with the blocks that it marks filled: `<!-- methods -->` or `configs`, to `<!-- end -->`.

    Raises:
      ValueError: it has no such block.
    """
    tables = {"methods": lambda: methods_table(methods()), "configs": configs_table}
    whole, blocks = re.subn(
        rf"(<!-- ({'|'.join(tables)}) -->\n).*?(?=<!-- end -->)",
        lambda match: f"{match[1]}{tables[match[2]]()}\n",
        text,
        flags=re.DOTALL,
    )
    if not blocks:
        raise UserError("it has no block from <!-- methods --> or <!-- configs --> to <!-- end -->")
    return whole


def _files() -> Iterator[tuple[Path, str]]:
    """The files that may declare methods, with the arguments that run each."""
    for folder in ("", "eval/", "curate/"):
        for file in sorted((ROOT / "configs" / folder).glob("*.py")):
            yield file, f"configs/{folder}{file.name}"
    for file in sorted((PACKAGE / "jobs").glob("[!_]*.py")):
        yield file, f"vlp/jobs/{file.name}"


def _declared(file: Path, config: str) -> Iterator[Method]:
    """The methods of one file.

    Raises:
      ValueError: one lacks something, or has what means nothing.
    """
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "METHODS":
            for number, row in enumerate(ast.literal_eval(node.value)):
                if {*row} - {*_MORE} != {*_FACTS} or row["family"] not in FAMILIES:
                    raise UserError(
                        f"{file}: METHODS[{number}] needs {', '.join(_FACTS)}, family one of {', '.join(FAMILIES)}; "
                        f"{', '.join(_MORE)} are all else that it may have"
                    )
                facts = {name: row[name] for name in _FACTS}
                yield Method(**facts, config=config, command=_command(config, number, row))


def _command(config: str, number: int, row: Mapping[str, Any]) -> str:
    stem = Path(config).stem
    before, last = list(row.get("before", ())), f"--config={config}"
    if config.startswith("vlp/jobs/"):
        last = f"--job={stem}"
    elif config.startswith("configs/eval/"):
        before.insert(0, row.get("model", FIRST))
        workdir = before[0].rpartition(" --workdir=")[2]
        last = f"--job=evaluate --checkpoint={workdir} --config={config}"
    elif config.startswith("configs/curate/"):
        spec = f"{config}:{row['argument']}" if "argument" in row else config
        last = f"--job=curate --config={spec}"
    else:
        spec = f"{config}:{row.get('argument', 'runlocal')}"
        last = f"--config={spec} --workdir={RUNS}/{stem}{f'-{number}' if number else ''}"
    commands = [*before, f"{last} {row['flags']}" if row.get("flags") else last]
    return " && ".join(f"{PROGRAM} {command}" for command in commands)
