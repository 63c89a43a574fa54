"""SigLIP's SentencePiece model as `transformers.SiglipTokenizer` runs it, id for id."""

from __future__ import annotations

import re
import string

from input_pipeline.tokenizers.cleaning import encodable
from input_pipeline.tokenizers.sentencepiece import SentencePieceTokenizer
from input_pipeline.tokenizers.special import SpecialIds, named_specials, special_ids

KINDS = {"siglip": "SiglipTokenizer"}

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SPACE = "\u2581"  # SentencePiece's


class SiglipTokenizer(SentencePieceTokenizer):
    """Canonical text (lower case, no punctuation) behind a written-out dummy prefix; end and padding are '</s>'.

    The prefix would be stripped at the beginning of a text, so texts are encoded behind the unknown token's name,
    of which the pieces are then taken away.
    """

    kind = "siglip"

    def _specials(self) -> SpecialIds:
        return special_ids(named_specials(self._special_tokens or "begin=,end=</s>,pad=</s>", self._find))

    def _own_clean(self, text: str) -> str:
        text = _SPACE + encodable(text).replace(_SPACE, " ")
        return re.sub(r"\s+", " ", text.lower().translate(_PUNCTUATION)).strip()

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        shield = self._processor.id_to_piece(self._processor.unk_id())
        taken = len(self._processor.encode(shield))
        rows = super()._pieces([shield + text for text in texts])
        return [row[taken:] if len(row) >= taken else row for row in rows]
