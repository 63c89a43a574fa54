"""Text to token ids. A tokenizer's bytes travel inside a checkpoint, which then needs nothing else."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import sentencepiece
from jaxtyping import Bool, Int32

from input_pipeline.records import clean_text
from input_pipeline.sources.paths import find_files

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
_LONGEST_PIECE = 16  # characters


class Tokenizer(Protocol):
    """Strings to rows of `length` ids: begin, pieces, end, padding. Picklable and safe for threads."""

    length: int
    vocabulary_size: int

    def encode(
        self, texts: Sequence[str]
    ) -> tuple[Int32[np.ndarray, "n length"], Bool[np.ndarray, "n length"]]:
        """Ids, and a mask that is False on padding. What does not fit is cut before the end token."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> Int32[np.ndarray, " n"]:
        """Tokens of each text with begin and end, before anything is cut: a text is cut if over `length`."""
        ...

    @property
    def spec(self) -> dict[str, Any]:
        """What `tokenizer_from_bytes` needs beside the bytes; plain JSON."""
        ...

    def to_bytes(self) -> bytes: ...


class SentencePieceTokenizer:
    """A SentencePiece model, which also lower-cases and normalises (NFKC) and falls back to bytes.

    Special ids are fixed: 0 padding, 1 unknown, 2 begin, 3 end. No text ever becomes one of them.
    """

    def __init__(self, model: bytes, length: int) -> None:
        """Takes a serialised SentencePiece model and the number of ids in a row.

        Raises:
          ValueError: the bytes are no model, its special ids are others, or length leaves no room.
        """
        if length < 3:
            raise ValueError(f"tokenizer length {length} leaves no room: at least 3 (begin, one token, end)")
        self.length = length
        self._model = model
        self._load()

    def _load(self) -> None:
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=self._model)
        except RuntimeError as error:
            raise ValueError(f"these {len(self._model)} bytes are no SentencePiece model: {error}") from None
        processor = self._processor
        ids = processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id()
        if ids != (PAD, UNKNOWN, BEGIN, END):
            raise ValueError(f"the model's pad, unk, bos and eos ids are {ids}; they must be 0, 1, 2, 3")
        self.vocabulary_size: int = processor.vocab_size()

    def __getstate__(self) -> dict[str, Any]:
        return {"length": self.length, "_model": self._model}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._load()

    def encode(
        self, texts: Sequence[str]
    ) -> tuple[Int32[np.ndarray, "n length"], Bool[np.ndarray, "n length"]]:
        ids = np.zeros((len(texts), self.length), np.int32)
        for row, text in zip(ids, texts, strict=True):
            pieces = self._pieces(text)[: self.length - 2]
            row[0] = BEGIN
            row[1 : len(pieces) + 1] = pieces
            row[len(pieces) + 1] = END
        return ids, ids != PAD

    def count_tokens(self, texts: Sequence[str]) -> Int32[np.ndarray, " n"]:
        return np.array([len(self._pieces(text)) + 2 for text in texts], np.int32)

    def _pieces(self, text: str) -> list[int]:
        # A piece has at most 16 characters: twice as many as fill a row show that the text is cut, in bounded
        # time.
        enough = 2 * _LONGEST_PIECE * self.length
        return self._processor.encode(clean_text(text[: 32 * enough])[:enough])

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "kind": "sentencepiece",
            "length": self.length,
            "vocabulary_size": self.vocabulary_size,
            "sha256": hashlib.sha256(self._model).hexdigest(),
        }

    def to_bytes(self) -> bytes:
        return self._model


_KINDS = {"sentencepiece": SentencePieceTokenizer}


def load_tokenizer(config: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of {"kind", "path", "length", "vocabulary_size"}; a vocabulary_size of 0 is taken from
    the file.

    Raises:
      ValueError: unknown kind, no such file, or a file of another vocabulary size.
    """
    kind = _kind(config["kind"])
    (path,) = find_files(config["path"], ".model")[:1]
    tokenizer = kind(path.read_bytes(), config["length"])
    wanted = config["vocabulary_size"]
    if wanted not in (0, tokenizer.vocabulary_size):
        raise ValueError(
            f"tokenizer.vocabulary_size is {wanted}, but {path} has {tokenizer.vocabulary_size} pieces: "
            "use 0 to take it from the file"
        )
    return tokenizer


def tokenizer_from_bytes(data: bytes, spec: Mapping[str, Any]) -> Tokenizer:
    """The inverse of `to_bytes` and `spec`.

    Raises:
      ValueError: the bytes are not those that the spec describes.
    """
    tokenizer = _kind(spec["kind"])(data, spec["length"])
    if tokenizer.spec["sha256"] != spec["sha256"]:
        raise ValueError(
            f"the tokenizer's sha256 is {tokenizer.spec['sha256']}, but its spec says {spec['sha256']}"
        )
    return tokenizer


def _kind(name: str) -> type[SentencePieceTokenizer]:
    if name not in _KINDS:
        raise ValueError(f"tokenizer kind '{name}' is not one of {', '.join(_KINDS)}")
    return _KINDS[name]


def train_tokenizer(captions: Iterable[str], vocabulary_size: int, path: str | Path) -> None:
    """Train a lower-casing SentencePiece unigram model; the same captions give the same bytes.

    Args:
      captions: texts in a fixed order.
      vocabulary_size: pieces in all, among them 4 special ids and 256 bytes.
      path: the file to write, usually called *.model.

    Raises:
      ValueError: the captions do not support that many pieces.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=map(clean_text, captions),
            model_writer=model,
            vocab_size=vocabulary_size,
            model_type="unigram",
            normalization_rule_name="nmt_nfkc_cf",
            byte_fallback=True,
            character_coverage=0.9995,
            max_sentencepiece_length=_LONGEST_PIECE,
            pad_id=PAD,
            unk_id=UNKNOWN,
            bos_id=BEGIN,
            eos_id=END,
            num_threads=1,  # the number of threads must not change the result
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(
            f"no tokenizer of {vocabulary_size} pieces can be trained on these captions: {error}"
        ) from None
    Path(path).write_bytes(model.getvalue())
