"""What every tokenizer shares: how pieces become rows of a fixed length, and how a tokenizer travels as bytes."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Int32

from input_pipeline.errors import UserError
from input_pipeline.records import clean_text
from input_pipeline.tokenizers.cleaning import cleaner
from input_pipeline.tokenizers.special import SpecialIds

MOST = 1 << 20  # ids in a row


class Tokens(NamedTuple):
    """Rows of token ids; `mask` is False on padding, `truncated` says which texts did not fit."""

    ids: Int32[np.ndarray, "n length"]
    mask: Bool[np.ndarray, "n length"]
    truncated: Bool[np.ndarray, " n"]


class Tokenizer(ABC):
    """Strings to rows of `length` ids: begin, prefix token, pieces, end, padding.

    Picklable and safe for threads. Prefix tokens are named ids behind the model's own; they say what kind of
    text follows (prefix conditioning, Saito et al. 2023, arXiv:2206.01125).

    Attributes:
      length: ids in a row.
      vocabulary_size: the model's own ids and the prefix tokens.
      prefix_tokens: their names; the last is id vocabulary_size - 1.
      special: the ids of padding, begin and end.
    """

    kind: ClassVar[str]
    files: ClassVar[tuple[str, ...]]  # how the file's name ends in a folder, the preferred one first

    length: int
    vocabulary_size: int
    prefix_tokens: tuple[str, ...]
    special: SpecialIds

    def __init__(
        self,
        data: bytes,
        length: int,
        *,
        prefix_tokens: Sequence[str] = (),
        special_tokens: str = "",
        clean: str = "",
    ) -> None:
        """Reads the tokenizer's file.

        Args:
          data: the bytes of the file.
          length: ids in a row.
          prefix_tokens: names of ids to append to the vocabulary.
          special_tokens: which of the file's tokens are padding, begin and end, where the kind asks for it.
          clean: what is done to a text first, a name in `cleaning.CLEANERS`; '' = what the kind does.

        Raises:
          ValueError: the bytes are of another kind, or length leaves no room for a token.
        """
        self.length, self.prefix_tokens = length, tuple(prefix_tokens)
        self._data, self._special_tokens, self._clean_name = data, special_tokens, clean
        self._start()

    def _start(self) -> None:
        self._clean = cleaner(self._clean_name) if self._clean_name else self._own_clean
        model_size = self._load()
        self.vocabulary_size = model_size + len(self.prefix_tokens)
        self._prefixes = {name: [model_size + i] for i, name in enumerate(self.prefix_tokens)}
        if len(self._prefixes) < len(self.prefix_tokens) or "" in self._prefixes:
            raise UserError(f"prefix tokens need distinct names that are not empty, not {self.prefix_tokens}")
        self._prefixes[""] = []
        least = 3 + bool(self.prefix_tokens)
        if self.length < least:
            what = "begin, prefix, one token, end" if self.prefix_tokens else "begin, one token, end"
            raise UserError(f"tokenizer length {self.length} leaves no room: at least {least} ({what})")
        if self.length > MOST:
            raise UserError(f"tokenizer length {self.length} is no length of a text: at most {MOST}")

    @abstractmethod
    def _load(self) -> int:
        """Reads `_data`, sets `special` and `_longest_piece`, and returns the number of the model's own ids."""

    @abstractmethod
    def _pieces(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text alone, all of them."""

    @abstractmethod
    def _text(self, ids: list[int]) -> str:
        """The text of pieces, about the inverse of `_pieces`."""

    def _own_clean(self, text: str) -> str:
        """What the kind does to a text first, unless the settings say otherwise."""
        return clean_text(text)

    _longest_piece: int  # characters

    def decode(self, ids: Int32[np.ndarray, " n"]) -> str:
        """Returns what the ids of one text say, for people to read: a prefix token is its name in brackets."""
        first = self.vocabulary_size - len(self.prefix_tokens)
        prefixes = [f"[{self.prefix_tokens[place - first]}]" for place in ids.tolist() if place >= first]
        around = {self.special.begin, self.special.end}
        body = self._text([place for place in ids.tolist() if place < first and place not in around])
        return " ".join([*prefixes, body])

    def encode(
        self, texts: Sequence[str], prefixes: Sequence[str] | None = None
    ) -> tuple[Int32[np.ndarray, "n length"], Bool[np.ndarray, "n length"]]:
        """Returns ids, and a mask that is False on padding: `tokens` without the account of what was cut."""
        return self.tokens(texts, prefixes)[:2]

    def tokens(self, texts: Sequence[str], prefixes: Sequence[str] | None = None) -> Tokens:
        """Returns rows of ids. What does not fit is cut before the end token, and said to be truncated.

        Args:
          texts: any strings.
          prefixes: of each text the name of its prefix token, '' for none; None = none anywhere.

        Raises:
          ValueError: an unknown prefix token, or another number of prefixes than of texts.
        """
        begin = [] if self.special.begin is None else [self.special.begin]
        heads = (
            [begin] * len(texts) if prefixes is None else [begin + self._prefix(name) for name in prefixes]
        )
        used: list[int] = []
        lengths, truncated = [], []
        for head, body in zip(heads, self._pieces([self._enough(text) for text in texts]), strict=True):
            room = self.length - len(head) - 1
            truncated.append(len(body) > room)
            line = [*head, *body[:room], self.special.end]
            lengths.append(len(line))
            used += line
        mask = np.arange(self.length) < np.array(lengths, np.int32)[:, None]
        ids = np.full(mask.shape, self.special.pad, np.int32)
        ids[mask] = used
        return Tokens(ids, mask, np.array(truncated, bool))

    def count_tokens(self, texts: Sequence[str]) -> Int32[np.ndarray, " n"]:
        """Tokens of each text with begin and end, before anything is cut: a text is cut if over `length`."""
        extra = 1 + (self.special.begin is not None)
        pieces = self._pieces([self._enough(text) for text in texts])
        return np.array([len(body) + extra for body in pieces], np.int32)

    @property
    def spec(self) -> dict[str, Any]:
        """Returns what `tokenizer_from_bytes` needs beside the bytes; plain JSON."""
        return {
            "kind": self.kind,
            "length": self.length,
            "vocabulary_size": self.vocabulary_size,
            "prefix_tokens": list(self.prefix_tokens),
            "special_tokens": self._special_tokens,
            "clean": self._clean_name,
            "sha256": hashlib.sha256(self.to_bytes()).hexdigest(),
        }

    def to_bytes(self) -> bytes:
        """Returns all that the tokenizer was made of."""
        return self._data

    def __getstate__(self) -> dict[str, Any]:
        names = ("length", "prefix_tokens", "_data", "_special_tokens", "_clean_name")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def _prefix(self, name: str) -> list[int]:
        if name not in self._prefixes:
            known = ", ".join(self.prefix_tokens) or "none"
            raise UserError(f"there is no prefix token '{name}'; tokenizer.prefix_tokens has {known}")
        return self._prefixes[name]

    def _enough(self, text: str) -> str:
        """The cleaned text, cut in bounded time where it fills a row in any case.

        A piece has at most so many characters: twice as many as fill a row show that the text is cut.
        """
        enough = 2 * self._longest_piece * self.length
        return self._clean(text[: 32 * enough])[:enough]
