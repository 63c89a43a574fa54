"""Mutated command lines: each gives a job and its config, or one line that says what is wrong with it.

python -m benchmarks.fuzz.command_lines [--cases=2000] [--kinds=train,...] [--first=0]

What main.py does before a job starts is done in this process, and the jobs that only read and write files are begun. A
traceback is a failure, and so is an error as long as a page. Exit code 1 where something failed.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from pathlib import Path

import numpy as np

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import main
from benchmarks.fuzz import harness

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 3000  # characters of an error
VALUES = (
    "", "0", "1", "-1", "2", "0.5", "-0.5", "1e9", "1e400", "nan", "inf", "-inf", "True", "False", "None", "x", "'",
    '"', "(", "()", "(1,)", "(1, 2)", "('a',)", "(((", "[]", "[1, 2]", "{}", "{'a': 1}", "{'a': {'b': ()}}",
    "({'a': 1},)", "{'a': {'format': 'x'}}", "/nowhere", "~", "s3://bucket/x", "a,b", "a=b", "=", "\u00e9", "\udcff",
    "9" * 400, "x" * 5000, "1_000", "0x10", "*", "[a]", "../..", "%s", "{}{}", "{name}", "${HOME}", "\n", "lambda: 1",
    "__import__('os')",
)  # fmt: skip
BEFORE = ("--", "-", "", "---", "--no", "--config.", "--noconfig.")
BEGUN = {"import", "export", "compare", "describe"}  # jobs whose first steps are only about files
Lines = tuple[list[str], list[str], list[str]]  # keys of the config, config files, options of main.py


def prepare(folder: Path) -> Lines:
    """What lines are made of."""
    from vlp import configuration
    from vlp.cli import OPTIONS, options_of
    from vlp.jobs import available

    config = configuration.load_config("configs/quickstart.py")
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "configs").rglob("[!_]*.py"))]
    return (
        [*configuration.flatten(config)],
        files,
        [name for name in OPTIONS | options_of(available()) if name not in ("config", "job")],
    )


def line(lines: Lines, job: str, dice: np.random.Generator, folder: Path) -> list[str]:
    """One command line: a job, perhaps a config, and up to four arguments."""
    keys, files, options = lines

    def one_of(items: object) -> str:
        return list(items)[int(dice.integers(len(list(items))))]  # type: ignore[call-overload]

    arguments = [f"--job={job}"]
    if dice.random() < 0.4:
        arguments.append(
            f"--config={one_of(files)}{one_of(('', '', '', ':', ':runlocal', ':x', ':x=1', ':model=vit_b16'))}"
        )
    for _ in range(int(dice.integers(1, 5))):
        value, kind = one_of(VALUES), dice.random()
        if kind < 0.55:
            arguments.append(f"--config.{_key(one_of(keys), dice)}={value}")
        elif kind < 0.8:
            arguments.append(f"--{one_of(options)}={value}")
        else:
            arguments.append(
                f"{one_of(BEFORE)}{_key(one_of([*keys, *options]), dice)}{one_of(('', '=', f'={value}'))}"
            )
    return [*arguments, f"--workdir={folder / 'run'}"] if dice.random() < 0.8 else arguments


def _key(key: str, dice: np.random.Generator) -> str:
    """A key as it is, or mistyped, cut, continued or doubled."""
    if dice.random() < 0.7 or not key:
        return key
    place = int(dice.integers(len(key)))
    ways = (
        key[:place] + key[place + 1 :],
        key[:place],
        f"{key}.x",
        key.upper(),
        key.replace(".", "..", 1),
        key.rpartition(".")[2],
        key.rpartition(".")[0],
        f"{key}[0]",
        f" {key}",
        key.replace(".", "/"),
    )
    return ways[int(dice.integers(len(ways)))]


def attempt(lines: Lines, job: str, case: int, dice: np.random.Generator, folder: Path) -> str:
    """Parses one line, and begins what only reads and writes files; case 0 is a line without a mistake."""
    from vlp.configuration import ConfigError

    arguments = line(lines, job, dice, folder) if case else [f"--job={job}", f"--workdir={folder / 'run'}"]
    said = io.StringIO()
    os.chdir(folder)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            if job in BEGUN:
                return _begun(arguments, said)
            main.prepare(arguments)
    except ConfigError as error:
        assert len(str(error)) < LONGEST, (
            f"{len(str(error))} characters: {_shown(arguments)}: {str(error)[:80]}"
        )
        return "refused"
    except BaseException as error:
        error.args = (f"{_shown(arguments)}: {error}",)
        raise
    finally:
        os.chdir(ROOT)
    return "accepted"


def _begun(arguments: list[str], said: io.StringIO) -> str:
    code = main.main(arguments)
    lines = said.getvalue().splitlines()
    assert code in (0, 2), f"exit code {code}: {_shown(arguments)}"
    assert code == 0 or len(said.getvalue()) < LONGEST, (
        f"{len(said.getvalue())} characters: {_shown(arguments)}"
    )
    return (
        "done"
        if code == 0
        else "refused"
        if lines and lines[-1].startswith("error: ")
        else "refused without a word"
    )


def _shown(arguments: list[str]) -> str:
    return shlex.join(argument[:60] for argument in arguments)


def train(lines: Lines, case: int, dice: np.random.Generator, folder: Path) -> str:
    """Lines of --job=train."""
    return attempt(lines, "train", case, dice, folder)


def others(lines: Lines, case: int, dice: np.random.Generator, folder: Path) -> str:
    """Lines of every other job, and of some that are none."""
    from vlp.jobs import available

    jobs = [name for name in available() if name != "train"] + ["", "x", "trian"]
    return attempt(lines, jobs[case % len(jobs)], case, dice, folder)


KINDS = {kind.__name__: harness.Kind(prepare, kind, memory=24 * harness.GIGABYTE) for kind in (train, others)}

if __name__ == "__main__":
    sys.exit(harness.main(KINDS, __doc__, cases=1000))
