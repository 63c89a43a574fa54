"""Entities with other names and descriptions, and which of them a text may be about."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from input_pipeline.curation.entries import Matcher
from input_pipeline.curation.text import plain
from input_pipeline.errors import UserError
from input_pipeline.records import clean_text
from input_pipeline.sources.paths import find_files


@dataclasses.dataclass(frozen=True)
class Entity:
    """Holds what a line says of an entity."""

    name: str
    aliases: tuple[str, ...] = ()
    description: str = ""

    def text(self, template: str) -> str:
        """Returns name and description in a template; the name alone where there is no description."""
        if not self.description:
            return self.name
        return template.replace("{description}", self.description).replace("{name}", self.name)


@dataclasses.dataclass(frozen=True)
class Gazetteer:
    """Holds the entities in order, and how many blank lines and further lines of a name there were."""

    entities: tuple[Entity, ...]
    blank: int = 0
    repeated: int = 0


def read_gazetteer(path: str) -> Gazetteer:
    """Reads entities from a file in UTF-8.

    Args:
      path: .jsonl with {"name", "aliases": [...], "description"} a line, or .json as --job=describe writes it: names
        with lists of sentences, which are the description. Of a name that comes again the first line counts.

    Raises:
      ValueError: there is no such file, it has another encoding or form, or no entity.
    """
    file = find_files(path, ".jsonl", ".json")[0]
    data = file.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{file} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}; convert it, as with iconv -t UTF-8"
        ) from None
    lines = text.split("\n")
    blank = sum(not line.strip() for line in lines[:-1])
    if file.suffix.lower() == ".json":
        found, blank = list(_of_json(text, file)), 0
    else:
        found = [_of_line(line, number, file) for number, line in enumerate(lines, 1) if line.strip()]
    first: dict[str, Entity] = {}
    for entity in found:
        first.setdefault(entity.name, entity)
    if not first:
        raise UserError(f"{file} holds no entity: it needs {{name, aliases, description}} a line")
    return Gazetteer(tuple(first.values()), blank, len(found) - len(first))


class Candidates:
    """Finds the entities of which a text has the name or an alias as words, whatever capitals and punctuation."""

    def __init__(self, entities: Sequence[Entity]) -> None:
        """Builds the search; an alias may be of several entities."""
        self._of: dict[str, dict[int, None]] = {}
        for number, entity in enumerate(entities):
            for alias in filter(None, map(plain, (entity.name, *entity.aliases))):
                self._of.setdefault(alias, {})[number] = None
        self._aliases = list(self._of)
        self._matcher = Matcher(self._aliases)

    def __call__(self, text: str) -> list[int]:
        """Returns the numbers of the entities, the longest alias first; those of one alias in their order."""
        found = sorted(
            (self._aliases[place] for place in self._matcher(plain(text))), key=lambda alias: -len(alias)
        )
        return list(dict.fromkeys(number for alias in found for number in self._of[alias]))


def _of_line(line: str, number: int, file: Path) -> Entity:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}, line {number} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{file}, line {number} is no object with a `name`")
    return _entity(value, f"{file}, line {number}")


def _of_json(text: str, file: Path) -> Iterator[Entity]:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{file} is no object from names to sentences")
    for name, own in value.items():
        if not isinstance(own, list) or not all(isinstance(one, str) for one in own):
            raise UserError(f"{file}: '{name}' must have a list of sentences")
        yield _entity({"name": name, "description": ", ".join(own)}, f"{file}: '{name}'")


def _entity(value: Mapping[str, Any], where: str) -> Entity:
    name, aliases, said = value.get("name"), value.get("aliases") or [], value.get("description") or ""
    if not isinstance(name, str) or not clean_text(name):
        raise UserError(f"{where} has no `name`")
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise UserError(f"{where}: `aliases` must be a list of texts")
    if not isinstance(said, str):
        raise UserError(f"{where}: `description` must be a text")
    return Entity(clean_text(name), tuple(map(clean_text, aliases)), clean_text(said))
