"""Sentences for labels: 'a photo of a {}.' with the label in the place of {}."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.sources.paths import find_files


def load_templates(templates: Iterable[str]) -> tuple[str, ...]:
    """Returns the templates with every item that ends in .json replaced by what is in that file.

    A file holds a list of templates or {"templates": [...]}, as the prompt sets of the evaluation do.

    Raises:
      ValueError: no such file, another content, or a template without {}.
    """
    loaded: list[str] = []
    for item in templates:
        loaded += _read(item) if item.endswith(".json") else [item]
    for template in loaded:
        if "{}" not in template:
            raise UserError(f"the template '{template}' has no {{}}, where the label is to stand")
    return tuple(loaded)


def fill(template: str, label: str) -> str:
    return template.replace("{}", label)


def without_name(sentence: str, name: str) -> str:
    """Returns a sentence with "it" in the place of a name, and of each of its words, one or many."""
    words = {word.removesuffix("s") for word in re.findall(r"[^\W_]{3,}", name.lower())} - {
        "and",
        "for",
        "the",
        "with",
    }
    said = "|".join(map(re.escape, [name, *sorted(words, key=len, reverse=True)]))
    plain = re.sub(rf"(\b((an?|the) )?({said})(e?s)?\b[ ,]*)+", "it ", sentence, flags=re.IGNORECASE)
    return re.sub(r"\bit ([^\w\s])", r"it\1", plain).strip()


@functools.cache
def read_sentences(path: str) -> Mapping[str, list[str]]:
    """Reads sentences by label, {label: [sentence, ...]}, as --job=describe writes them.

    Raises:
      ValueError: there is no such file, or it has another form.
    """
    file, content = _json(path, "descriptions")
    if not isinstance(content, dict) or not content:
        raise UserError(f"descriptions: {file} is no object from labels to lists of sentences")
    for label, own in content.items():
        if not isinstance(own, list) or not own or not all(isinstance(one, str) and one for one in own):
            raise UserError(f"descriptions: {file}: label '{label}' must have a list of sentences")
    return content


def _json(path: str, setting: str) -> tuple[Path, Any]:
    """A file and what is in it; mistakes name the setting that it stands in."""
    try:
        file: Path = find_files(path, ".json")[0]
    except ValueError as error:
        raise UserError(f"{setting}: {error}") from None
    try:
        return file, json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{setting}: {file} is no JSON: {error}") from None


def _read(path: str) -> list[str]:
    file, content = _json(path, "templates")
    found = content.get("templates") if isinstance(content, dict) else content
    if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in found):
        raise UserError(f'templates: {file} holds neither a list of strings nor {{"templates": [...]}}')
    return found
