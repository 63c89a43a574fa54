"""The kinds of sources and tokenizers by name, and classes of anybody's package. Imports nothing until one is used.

A file of `sources` or `tokenizers` says itself what it brings: `FORMATS` or `KINDS`, names to classes or functions; a
source the endings of its files, too: `SUFFIXES`, endings to formats. What may lie beside other data, as the table that
was written when shards were made, says `ALSO_BESIDE = True`; what reads its path in a way of its own, `NAMED = True`;
what names image files, which may lie elsewhere (`image_folder`), `IMAGE_FILES = True`; what opens each of several files
by itself, so that they can come and go as they are needed, `STREAMED = True`.
"""

from __future__ import annotations

import ast
import difflib
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from input_pipeline.errors import UserError

_SAID = re.compile(
    r"^(FORMATS|KINDS|SUFFIXES|ALSO_BESIDE|NAMED|IMAGE_FILES|STREAMED) = (\{[^}]*\}|True)$", re.MULTILINE
)


@functools.cache
def sources() -> Mapping[str, str]:
    """Returns what opens each format with (path, columns), as module:name."""
    said = (*_said("sources"), *_said("known"))
    return {
        name: f"{module}:{target}"
        for module, file in said
        for name, target in file.get("FORMATS", {}).items()
    }


@functools.cache
def suffixes() -> Mapping[str, str]:
    """Returns the format of files by their endings; in a folder with several kinds of them the first is meant."""
    said = sorted((file for _, file in _said("sources")), key=lambda file: "ALSO_BESIDE" in file)
    return {suffix: form for file in said for suffix, form in file.get("SUFFIXES", {}).items()}


@functools.cache
def named() -> frozenset[str]:
    """Returns the formats whose path need be no place on disk: what it means is theirs to say."""
    return frozenset(_formats_that_say("NAMED"))


@functools.cache
def with_image_files() -> tuple[str, ...]:
    """Returns the formats whose records name image files."""
    return tuple(_formats_that_say("IMAGE_FILES"))


@functools.cache
def streamed() -> Mapping[str, str]:
    """Returns the formats whose files can be fetched one by one, and what their names end with."""
    return {form: suffix for suffix, form in suffixes().items() if form in {*_formats_that_say("STREAMED")}}


def _formats_that_say(word: str) -> Iterator[str]:
    said = (*_said("sources"), *_said("known"))
    return (form for _, file in said if word in file for form in file.get("FORMATS", {}))


@functools.cache
def tokenizers() -> Mapping[str, str]:
    """Returns the class of each kind of tokenizer, as module:name."""
    return {
        name: f"{module}:{target}"
        for module, file in _said("tokenizers")
        for name, target in file.get("KINDS", {}).items()
    }


def _said(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of each file of a folder of the input pipeline, its module's name and what it says of itself."""
    for file in sorted((Path(__file__).parent / folder).glob("*.py")):
        names = _SAID.findall(file.read_text(encoding="utf-8"))
        if names:
            module = f"{__package__}.{folder}.{file.stem}".removesuffix(".__init__")
            yield module, {name: ast.literal_eval(value) for name, value in names}


def check_kind(known: Mapping[str, str], name: str, what: str) -> None:
    """Refuses a name that is neither a known one nor `package.module:Class`; imports nothing.

    Raises:
      ValueError: it is neither; the message names the nearest.
    """
    if name not in known and ":" not in name:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ", nor package.module:Class of a package of yours"
        raise UserError(f"{what}='{name}' is not one of {', '.join(known)}{hint}")


def find_kind(known: Mapping[str, str], name: str, what: str) -> Any:
    """Imports the class, or function, of a known name or of `package.module:Class`.

    Args:
      known: `sources()` or `tokenizers()`.
      name: what the config says.
      what: where it says it, for errors.

    Raises:
      ValueError: there is no such kind, module or class.
    """
    check_kind(known, name, what)
    target = known.get(name, name)
    try:
        return resolve_name(target)
    except ModuleNotFoundError as error:
        if not f"{target.partition(':')[0]}.".startswith(f"{error.name}."):
            raise
        raise UserError(
            f"{what}='{name}': there is no module '{error.name}' to import: install it, put it beside the config "
            "file, or name its folder in PYTHONPATH"
        ) from error
    except AttributeError as error:
        raise UserError(f"{what}='{name}': {error}") from error
