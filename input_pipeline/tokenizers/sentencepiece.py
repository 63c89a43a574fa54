"""SentencePiece models: what `train_tokenizer` makes of your own captions, and those of SigLIP."""

from __future__ import annotations

import sentencepiece

from input_pipeline.errors import UserError
from input_pipeline.tokenizers.base import Tokenizer
from input_pipeline.tokenizers.special import SpecialIds, named_specials, special_ids

KINDS = {"sentencepiece": "SentencePieceTokenizer"}

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
LONGEST_PIECE = 16  # characters


class SentencePieceTokenizer(Tokenizer):
    """A SentencePiece model, which also normalises as it was trained to.

    Our own lower-case, normalise (NFKC) and fall back to bytes; their special ids are fixed: 0 padding, 1 unknown,
    2 begin, 3 end. Another model's are named in `special_tokens`, as "begin=,end=</s>,pad=</s>". No text ever
    becomes one of them.
    """

    kind = "sentencepiece"
    files = (".model",)

    def _load(self) -> int:
        try:
            processor = sentencepiece.SentencePieceProcessor(model_proto=self._data)
        except RuntimeError as error:
            raise UserError(f"these {len(self._data)} bytes are no SentencePiece model: {error}") from None
        self._processor, count = processor, int(processor.vocab_size())
        self.special = self._specials()
        self._longest_piece = max(LONGEST_PIECE, *map(len, processor.id_to_piece(list(range(count)))))
        return count

    def _specials(self) -> SpecialIds:
        processor = self._processor
        if self._special_tokens:
            return special_ids(named_specials(self._special_tokens, self._find))
        ids = processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id()
        if ids != (PAD, UNKNOWN, BEGIN, END):
            raise UserError(
                f"the model's pad, unk, bos and eos ids are {ids}; they must be 0, 1, 2, 3, or "
                "tokenizer.special_tokens must name them"
            )
        return SpecialIds(PAD, BEGIN, END)

    def _find(self, piece: str) -> int | None:
        place = int(self._processor.piece_to_id(piece))
        return place if self._processor.id_to_piece(place) == piece else None

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        # One call for all is faster than one each; its threads would take the cores of other workers.
        pieces: list[list[int]] = self._processor.encode(texts, num_threads=1)
        return pieces

    def _text(self, ids: list[int]) -> str:
        return str(self._processor.decode(ids))
