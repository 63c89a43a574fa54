"""SentencePiece models: what `train_tokenizer` makes of your own captions."""

from __future__ import annotations

import sentencepiece

from input_pipeline.tokenizers.base import SpecialIds, Tokenizer

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
LONGEST_PIECE = 16  # characters


class SentencePieceTokenizer(Tokenizer):
    """A SentencePiece model, which also lower-cases and normalises (NFKC) and falls back to bytes.

    Special ids are fixed: 0 padding, 1 unknown, 2 begin, 3 end. No text ever becomes one of them.
    """

    kind = "sentencepiece"
    files = (".model",)
    _longest_piece = LONGEST_PIECE

    def _load(self) -> int:
        try:
            processor = sentencepiece.SentencePieceProcessor(model_proto=self._data)
        except RuntimeError as error:
            raise ValueError(f"these {len(self._data)} bytes are no SentencePiece model: {error}") from None
        ids = processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id()
        if ids != (PAD, UNKNOWN, BEGIN, END):
            raise ValueError(f"the model's pad, unk, bos and eos ids are {ids}; they must be 0, 1, 2, 3")
        self._processor, self.special = processor, SpecialIds(PAD, BEGIN, END)
        return int(processor.vocab_size())

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        # One call for all is faster than one each; its threads would take the cores of other workers.
        pieces: list[list[int]] = self._processor.encode(texts, num_threads=1)
        return pieces

    def _text(self, ids: list[int]) -> str:
        return str(self._processor.decode(ids))
