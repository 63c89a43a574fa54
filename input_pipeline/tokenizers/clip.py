"""OpenAI CLIP's byte-pair encoding, id for id."""

from __future__ import annotations

import gzip
import html
import itertools
import json
import unicodedata

from input_pipeline.errors import UserError
from input_pipeline.records import clean_text
from input_pipeline.tokenizers.base import Tokenizer
from input_pipeline.tokenizers.special import SpecialIds

KINDS = {"clip": "ClipTokenizer"}

MERGES = 48_894  # CLIP reads that many lines of its file; with them there are 49,408 ids
_SPLIT = r"(?i)'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_REMEMBERED = 100_000  # words


class ClipTokenizer(Tokenizer):
    """Lower-cased byte-pair encoding (Radford et al. 2021); the `tokenizers` library runs the merges.

    `clean="ftfy_lower"` is the original's cleaning to the letter; by default wrongly decoded text is not mended.

    It reads OpenAI's bpe_simple_vocab_16e6.txt.gz and, of a CLIP model at Hugging Face, merges.txt or
    tokenizer.json. Padding is 0, which is also the id of '!': only the mask tells them apart. Unlike in the
    original, '<start_of_text>' in a text is ordinary pieces, never the begin token.
    """

    kind = "clip"
    files = ("bpe_simple_vocab_16e6.txt.gz", "merges.txt", "tokenizer.json")

    def _load(self) -> int:
        from tokenizers import Regex, models, pre_tokenizers
        from tokenizers import Tokenizer as Pipeline

        merges = _merges(self._data)
        # Only what is read travels in checkpoints: the original file has five times as many lines.
        self._data = "\n".join(map(" ".join, merges)).encode()
        vocabulary = _vocabulary(merges)
        ids = {piece: place for place, piece in enumerate(vocabulary)}
        try:
            model = models.BPE(ids, merges, end_of_word_suffix="</w>", continuing_subword_prefix="")
        except Exception as error:  # the library raises nothing more precise
            raise UserError(f"the merges are no CLIP vocabulary: {error}") from None
        self._pipeline = Pipeline(model)
        self._pipeline.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_SPLIT), "removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        self._words: dict[str, list[int]] = {}
        self._longest_piece = max(map(len, vocabulary))
        self.special = SpecialIds(0, len(vocabulary), len(vocabulary) + 1)
        return len(vocabulary) + 2

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        return [list(itertools.chain.from_iterable(map(self._word, text.split()))) for text in texts]

    def vocabulary_and_merges(self, begin: str, end: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
        """Returns all ids by piece, special ones under the names given, and the merges, the first first."""
        merges = _merges(self._data)
        return {piece: place for place, piece in enumerate([*_vocabulary(merges), begin, end])}, merges

    def _own_clean(self, text: str) -> str:
        return clean_caption(super()._own_clean(text))

    def _text(self, ids: list[int]) -> str:
        pieces = "".join(self._pipeline.id_to_token(place) or "" for place in ids).replace("</w>", " ")
        return bytes(_BYTES.get(character, 0x20) for character in pieces).decode("utf-8", "replace").strip()

    def _word(self, word: str) -> list[int]:
        """Ids of what stands between two spaces, which no piece goes across; remembered, as most words recur."""
        ids = self._words.get(word)
        if ids is None:
            ids = self._pipeline.encode(word, add_special_tokens=False).ids
            if len(self._words) >= _REMEMBERED:
                self._words.clear()
            self._words[word] = ids
        return ids


def clean_caption(text: str) -> str:
    """Does what CLIP's tokenizer does to a text first, without ftfy's repair of wrongly decoded bytes.

    HTML entities become characters, twice; curled quotes, ligatures and full-width letters become plain; the
    rest is NFC and lower case. White space was collapsed before.
    """
    if "&" in text:
        text = clean_text(html.unescape(html.unescape(text)))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_PLAIN))
    return text.lower()


def _compatible(*codes: int) -> dict[int, str]:
    return {code: unicodedata.normalize("NFKC", chr(code)) for code in codes}


_SINGLE_QUOTES, _DOUBLE_QUOTES = "\u02bc\u2018\u2019\u201a\u201b", "\u201c\u201d\u201e\u201f"
_WIDTHS = (0x3000, *range(0xFF01, 0xFFF0))  # the ideographic space, half and full width
_LIGATURES = (0x132, 0x133, 0x149, *range(0x1C4, 0x1CD), *range(0x1F1, 0x1F4), *range(0xFB00, 0xFB07))
_PLAIN = (
    dict.fromkeys(map(ord, _SINGLE_QUOTES), "'")
    | dict.fromkeys(map(ord, _DOUBLE_QUOTES), '"')
    | _compatible(*_WIDTHS, *_LIGATURES)
)


def _vocabulary(merges: list[tuple[str, str]]) -> list[str]:
    alphabet = _alphabet()
    return [*alphabet, *(f"{character}</w>" for character in alphabet), *(a + b for a, b in merges)]


_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]


def _alphabet() -> list[str]:
    """The 256 characters that stand for bytes, in the order of their ids: printable ones first, as in GPT-2."""
    return [chr(byte) for byte in _PRINTABLE] + [chr(0x100 + place) for place in range(256 - len(_PRINTABLE))]


_BYTES = dict(zip(_alphabet(), [*_PRINTABLE, *sorted({*range(256)} - {*_PRINTABLE})], strict=True))


def _merges(data: bytes) -> list[tuple[str, str]]:
    """The pairs that are merged, the first first, from any of the files that hold them.

    Raises:
      ValueError: the bytes hold no merges.
    """
    try:
        lines = _lines((gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode())
    except (OSError, EOFError, ValueError):
        lines = []
    pairs = [tuple(line.split(" ")) for line in lines[:MERGES]]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise UserError(
            f"these {len(data)} bytes are no CLIP vocabulary: expected bpe_simple_vocab_16e6.txt.gz, merges.txt or "
            "tokenizer.json"
        )
    return [(first, second) for first, second in pairs]


def _lines(text: str) -> list[str]:
    if text.startswith("{"):
        merges = json.loads(text).get("model", {}).get("merges", [])
        return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
    lines = text.rstrip("\n").split("\n")
    return lines[1:] if "#version" in lines[0] else lines
