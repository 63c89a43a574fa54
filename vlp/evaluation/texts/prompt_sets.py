"""Prompt sets: named lists of templates with one {} for the class name, kept as data in prompts/*.json."""

from __future__ import annotations

import json
from importlib import resources

from input_pipeline.errors import UserError

_FOLDER = resources.files("vlp.evaluation.texts") / "prompts"


def known_prompt_sets() -> list[str]:
    """Returns names that `load_prompt_set` takes, sorted."""
    files = (file.name for file in _FOLDER.iterdir())
    return sorted(name.removesuffix(".json") for name in files if name.endswith(".json"))


def load_prompt_set(name: str) -> tuple[str, ...]:
    """Templates of the prompt set, in the order of its file.

    Raises:
        ValueError: no such prompt set; the message names those there are.
    """
    known = known_prompt_sets()
    if name not in known:
        raise UserError(f"there is no prompt set {name!r}: take one of {', '.join(known)}")
    return tuple(json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))["templates"])


def fill(template: str, class_name: str) -> str:
    """Fills a prompt: braces inside the class name are left alone, unlike with str.format."""
    return template.replace("{}", class_name)
