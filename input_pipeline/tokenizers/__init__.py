"""Text to token ids, one file per kind. Its bytes travel inside a checkpoint, which then needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.kinds import find_kind, tokenizers
from input_pipeline.sources.paths import find_files
from input_pipeline.tokenizers.base import Tokenizer, Tokens
from input_pipeline.tokenizers.training import train_tokenizer

__all__ = ["Tokenizer", "Tokens", "load_tokenizer", "tokenizer_from_bytes", "train_tokenizer"]


def load_tokenizer(config: Mapping[str, Any]) -> Tokenizer:
    """Loads the tokenizer of a config's `tokenizer` section.

    Args:
      config: {"kind", "path", "length", "vocabulary_size"} and, if wanted, "prefix_tokens",
        "special_tokens" and "clean". A vocabulary_size of 0 is taken from the file; it counts no prefix tokens.

    Raises:
      ValueError: unknown kind, no such file, or a file of another vocabulary size.
    """
    kind = _kind(config["kind"])
    path = _file(config["path"], kind.files)
    tokenizer = _build(kind, path.read_bytes(), config)
    wanted, there = config["vocabulary_size"], tokenizer.vocabulary_size - len(tokenizer.prefix_tokens)
    if wanted not in (0, there):
        raise UserError(
            f"tokenizer.vocabulary_size is {wanted}, but {path} has {there} pieces: use 0 to take it from the file"
        )
    return tokenizer


# What a spec says, and what is meant where an older one says nothing of it.
_SPEC: Mapping[str, tuple[type, Any]] = {
    "kind": (str, None),
    "sha256": (str, None),
    "length": (int, None),
    "prefix_tokens": (tuple, ()),
    "special_tokens": (str, ""),
    "clean": (str, ""),
}


def tokenizer_from_bytes(data: bytes, spec: Mapping[str, Any]) -> Tokenizer:
    """Makes the tokenizer whose `to_bytes` and `spec` these are.

    Raises:
      ValueError: the bytes are not those that the spec describes, or it is none.
    """
    for name, (kind, default) in _SPEC.items():
        value = spec.get(name, default)
        if type(value) is not kind and not (kind is tuple and isinstance(value, list)):
            raise UserError(f"the tokenizer's spec says {name}={value!r}, which has to be a {kind.__name__}")
    tokenizer = _build(_kind(spec["kind"]), data, spec)
    if tokenizer.spec["sha256"] != spec["sha256"]:
        raise UserError(
            f"the tokenizer's sha256 is {tokenizer.spec['sha256']}, but its spec says {spec['sha256']}"
        )
    return tokenizer


def _build(kind: type[Tokenizer], data: bytes, settings: Mapping[str, Any]) -> Tokenizer:
    return kind(
        data,
        settings["length"],
        prefix_tokens=tuple(settings.get("prefix_tokens", ())),
        special_tokens=settings.get("special_tokens", ""),
        clean=settings.get("clean", ""),
    )


def _kind(name: str) -> type[Tokenizer]:
    kind: type[Tokenizer] = find_kind(tokenizers(), name, "tokenizer.kind")
    return kind


def _file(path: str, names: tuple[str, ...]) -> Path:
    """The path itself, or the first of the names that a folder holds."""
    for name in names[:-1]:
        try:
            return find_files(path, name)[0]
        except ValueError:
            continue
    return find_files(path, names[-1])[0]
