"""Who says whether an image belongs to a concept: a file of answers, the records' own labels, or any program.

A program is a command line. It reads a JSON object a line, `{"id", "concept", "image", "captions", "tags"}` with the
path of a PNG, and writes one for each, `{"id", "yes": true}`; what else it writes beside `yes`, such as a reason, is
kept.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from input_pipeline.addresses import is_address
from input_pipeline.errors import UserError
from vlp.configuration.paths import find

Answers = dict[str, dict[str, Any]]
BY_LABEL = "label:"
ENDINGS = (".jsonl", ".ndjson")


class Asked(NamedTuple):
    """One image that an annotator is asked about."""

    id: str
    image: UInt8[np.ndarray, "h w 3"]
    label: str
    tags: Sequence[str]
    captions: Sequence[str]


Annotator = Callable[[Sequence[Asked]], Answers]


def annotator_of(said: str, concept: str) -> Annotator:
    """Returns what answers: 'label:PATTERN', a .jsonl file of answers, or a command line.

    Raises:
      ValueError: nothing is said, or a command with a quote that is not closed.
    """
    if not said:
        raise UserError(
            "concept.annotator is empty: name a .jsonl file of answers, a command, or label:PATTERN to rehearse"
        )
    if said.startswith(BY_LABEL):
        return lambda asked: {one.id: {"yes": _labelled(one, said.removeprefix(BY_LABEL))} for one in asked}
    if said.endswith(ENDINGS):
        return lambda asked: _of_file(find(said)[0] if is_address(said) else Path(said), asked)
    try:
        words = shlex.split(said)
    except ValueError as error:
        raise UserError(f"concept.annotator='{said}' is no command line: {error}") from None
    return lambda asked: _of_command(said, words, concept, asked)


def read_answers(lines: Iterable[str], where: str) -> Answers:
    """Reads JSON lines of answers by id.

    Raises:
      ValueError: a line without an id or a yes; says which.
    """
    answers: Answers = {}
    for at, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            answers[str(found["id"])] = {**found, "yes": _yes(found["yes"])}
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f'{where}, line {at}, must be {{"id": ..., "yes": true}}: {error!r}') from None
    return answers


def _yes(value: Any) -> bool:
    if not isinstance(value, bool | int) or value not in (0, 1):
        raise ValueError(f"yes is {value!r}, not true or false")
    return bool(value)


def _labelled(one: Asked, pattern: str) -> bool:
    return any(fnmatchcase(said, pattern) for said in (one.label, *one.tags))


def _of_file(file: Path, asked: Sequence[Asked]) -> Answers:
    """The answers that a file has; images that it does not speak of stay without one."""
    if not file.is_file():
        raise UserError(f"concept.annotator: there is no file {file}")
    known = read_answers(file.read_text(encoding="utf-8").splitlines(), str(file))
    return {one.id: known[one.id] for one in asked if one.id in known}


def _of_command(command: str, words: Sequence[str], concept: str, asked: Sequence[Asked]) -> Answers:
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for number, one in enumerate(asked):
            path = Path(folder) / f"{number}.png"
            Image.fromarray(one.image).save(path)
            line = {"id": one.id, "concept": concept, "image": str(path)}
            lines.append(json.dumps({**line, "captions": list(one.captions), "tags": list(one.tags)}))
        try:
            done = subprocess.run(
                words,
                input="\n".join(lines) + "\n",
                text=True,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise UserError(f"concept.annotator='{command}' cannot be started: {error}") from error
    if done.returncode:
        raise UserError(
            f"concept.annotator='{command}' ended with {done.returncode}: {done.stderr.strip()[-300:]}"
        )
    answers = read_answers(done.stdout.splitlines(), f"what '{command}' wrote")
    if strange := sorted(answers.keys() - {one.id for one in asked}):
        raise UserError(
            f"concept.annotator='{command}' answered for '{strange[0]}', which it was not asked about"
        )
    return answers
