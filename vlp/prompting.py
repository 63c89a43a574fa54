"""What users ask a model in words: lists of texts, names of classes in templates, and their probabilities."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from input_pipeline.errors import UserError


def strings(given: Any, what: str) -> list[str]:
    """Returns one string or several as a list.

    Args:
      given: by a user.
      what: to call it in an error.

    Raises:
      ValueError: it is neither.
    """
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Iterable) or isinstance(given, bytes | bytearray):
        raise UserError(f"{what} is {reprlib.repr(given)}: give a string or a list of strings")
    rows = list(given)
    if bad := [place for place, text in enumerate(rows) if not isinstance(text, str)]:
        raise UserError(
            f"{what}[{bad[0]}] is {reprlib.repr(rows[bad[0]])}, not a string: give a list of strings"
        )
    return rows


def class_prompts(names: Sequence[str], templates: str | Sequence[str]) -> list[list[str]]:
    """Returns each name in all templates.

    Raises:
      ValueError: there is no class or no template, one is no string, a class has no name, or a template has no `{}`.
    """
    prompts = strings(templates, "templates")
    if not names or not prompts:
        raise UserError(f"{'templates' if names else 'class_names'} is empty: give one or more")
    if nameless := [place for place, name in enumerate(names) if not name.strip()]:
        raise UserError(f"class_names[{nameless[0]}] is {names[nameless[0]]!r}: give that class a name")
    if bad := [template for template in prompts if "{}" not in template]:
        raise UserError(f"the template {bad[0]!r} has no {{}} to put a class name into")
    return [[template.replace("{}", name) for template in prompts] for name in names]


def class_probabilities(
    logits: Float[np.ndarray, "n classes"], *, each_by_itself: bool
) -> Float32[np.ndarray, "n classes"]:
    """Returns the softmax over classes, or the sigmoid of each by itself."""
    if each_by_itself:
        return (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def no_context(text: str, settings: Any) -> str:
    """Says that a text is none of those that have learned a context of their own.

    Args:
      text: as the tokenizer gives it back.
      settings: `model.text` of the config.
    """
    return (
        f"the model has learned a context for each of {settings.context_classes} texts, those of "
        f"data.texts.{settings.context_texts}, and none for {text!r}: ask for those, or train a context that all texts "
        "share, with model.text.context_texts=''"
    )
