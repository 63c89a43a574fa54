"""BERT's WordPiece (arXiv 1810.04805): a vocab.txt, whose lines are the pieces in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from input_pipeline.errors import UserError
from input_pipeline.records import clean_text
from input_pipeline.tokenizers.huggingface import HuggingFaceTokenizer
from input_pipeline.whole_files import write_whole

KINDS = {"wordpiece": "WordPieceTokenizer"}

Default = TypeVar("Default", bool, None)
PAD, UNKNOWN, BEGIN, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"


class WordPieceTokenizer(HuggingFaceTokenizer):
    """A vocab.txt; a vocabulary without capital letters is one of lower-case texts."""

    kind = "wordpiece"
    files = ("vocab.txt",)

    def _json(self) -> bytes:
        try:
            pieces = vocabulary_lines(self._data.decode("utf-8"))
        except ValueError as error:
            raise UserError(f"these {len(self._data)} bytes are no vocab.txt: {error}") from None
        capital = any(piece != piece.lower() for piece in pieces if not piece.startswith("["))
        return wordpiece_json(pieces, {"do_lower_case": not capital})


def vocabulary_lines(text: str) -> list[str]:
    """Returns the pieces of a vocab.txt, of which some may be, or hold, what Unicode ends a line with."""
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.removesuffix("\r") for line in lines]


def wordpiece_json(pieces: Sequence[str], settings: Mapping[str, Any]) -> bytes:
    """Returns the WordPiece of a vocab.txt as the bytes of a tokenizer.json.

    Args:
      pieces: a line each, whose place is the id.
      settings: of a tokenizer_config.json: `do_lower_case`, `strip_accents`, `tokenize_chinese_chars`.

    Raises:
      ValueError: one of the tokens around a text is not there, a piece stands there twice, or a setting is no switch.
    """
    from tokenizers import Tokenizer as Pipeline
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    if missing := [name for name in (BEGIN, END, PAD, UNKNOWN) if name not in vocabulary]:
        raise UserError(f"vocab.txt has no token {', '.join(missing)}")
    if len(vocabulary) != len(pieces):
        raise UserError(
            f"vocab.txt has {len(pieces)} lines and {len(vocabulary)} pieces: one stands there twice"
        )
    pipeline = Pipeline(models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=100))
    pipeline.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=_switch(settings, "tokenize_chinese_chars", default=True),
        strip_accents=_switch(settings, "strip_accents", default=None),
        lowercase=_switch(settings, "do_lower_case", default=True),
    )
    pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pipeline.decoder = decoders.WordPiece(prefix="##")
    pipeline.add_special_tokens([name for name in (BEGIN, END, PAD, UNKNOWN, MASK) if name in vocabulary])
    around = [(name, vocabulary[name]) for name in (BEGIN, END)]
    pipeline.post_processor = processors.TemplateProcessing(f"{BEGIN} $A {END}", None, around)
    return pipeline.to_str().encode()


def _switch(settings: Mapping[str, Any], name: str, *, default: Default) -> bool | Default:
    value = settings.get(name, default)
    if value is not default and not isinstance(value, bool):
        raise UserError(f"tokenizer_config.json: {name}={value!r} must be true or false")
    return bool(value) if value is not None else default


def train_wordpiece(captions: Iterable[str], vocabulary_size: int, path: str | Path) -> None:
    """Trains a lower-casing WordPiece vocabulary and writes it as a vocab.txt.

    Args:
      captions: texts in a fixed order.
      vocabulary_size: pieces at most, among them five special ones.
      path: the file to write.

    Raises:
      OSError: the file cannot be written; what had its name before stays.
    """
    from tokenizers import Tokenizer as Pipeline
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    pipeline = Pipeline(models.WordPiece(unk_token=UNKNOWN))
    pipeline.normalizer = normalizers.BertNormalizer(lowercase=True)
    pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size, special_tokens=[PAD, UNKNOWN, BEGIN, END, MASK], show_progress=False
    )
    pipeline.train_from_iterator(map(clean_text, captions), trainer)
    vocabulary = pipeline.get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    write_whole(Path(path), ("\n".join(pieces) + "\n").encode())
