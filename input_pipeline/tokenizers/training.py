"""A SentencePiece model of one's own captions."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

from input_pipeline.errors import UserError
from input_pipeline.records import clean_text
from input_pipeline.tokenizers.sentencepiece import BEGIN, END, LONGEST_PIECE, PAD, UNKNOWN
from input_pipeline.whole_files import write_whole


def train_tokenizer(captions: Iterable[str], vocabulary_size: int, path: str | Path) -> None:
    """Trains a lower-casing SentencePiece unigram model; the same captions give the same bytes.

    Args:
      captions: texts in a fixed order.
      vocabulary_size: pieces in all, among them 4 special ids and 256 bytes.
      path: the file to write, usually called *.model.

    Raises:
      ValueError: the captions do not support that many pieces.
      OSError: the file cannot be written; what had its name before stays.
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
            max_sentencepiece_length=LONGEST_PIECE,
            pad_id=PAD,
            unk_id=UNKNOWN,
            bos_id=BEGIN,
            eos_id=END,
            num_threads=1,  # the number of threads must not change the result
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(
            f"no tokenizer of {vocabulary_size} pieces can be trained on these captions: {error}"
        ) from None
    write_whole(Path(path), model.getvalue())
