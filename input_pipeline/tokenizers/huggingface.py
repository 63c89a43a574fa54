"""Any tokenizer that Hugging Face keeps as a tokenizer.json."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.tokenizers.base import Tokenizer
from input_pipeline.tokenizers.special import Found, named_specials, special_ids

KINDS = {"huggingface": "HuggingFaceTokenizer"}

_PAD_NAMES = ("[PAD]", "<pad>", "<|pad|>")
_TRIAL = f"{'a' * 64}! {'word ' * 16}? {'1 ' * 32}."  # on which a regular expression that explodes does so
_SPARSEST = 16  # ids up to so many times the number of tokens: the library counts through all of them


class HuggingFaceTokenizer(Tokenizer):
    """A tokenizer.json, run by the `tokenizers` library.

    Begin and end are what the file puts around a text, padding what it pads with. Where it does not say, or
    should be overruled, `special_tokens` names them: "begin=[CLS],end=[SEP],pad=[PAD]"; an empty begin
    is none.
    """

    kind = "huggingface"
    files = ("tokenizer.json",)

    def _load(self) -> int:
        from tokenizers import Tokenizer as Pipeline

        data = self._json()
        with _library(f"these {len(data)} bytes are no tokenizer.json"):
            pipeline = Pipeline.from_buffer(data)
            vocabulary, padding = pipeline.get_vocab(), pipeline.padding
            check_vocabulary(vocabulary)
            pipeline.no_truncation()
            pipeline.no_padding()
            found = _found(pipeline, padding, vocabulary)
        self.special = special_ids(found | named_specials(self._special_tokens, vocabulary.get))
        pipeline.encode_special_tokens = True  # '</s>' in a text is text
        self._pipeline = pipeline
        added = pipeline.get_added_tokens_decoder()
        special = {place for place, token in added.items() if token.special}
        unknown = _unknown(data, vocabulary)
        self._never = {*(special - {unknown}), *self.special}
        self._ends_at_unknown = unknown == self.special.end
        self._longest_piece = max(
            100, *map(len, vocabulary)
        )  # some models make one unknown token of 100 characters
        return max(vocabulary.values()) + 1

    def _json(self) -> bytes:
        """What the library reads; of another kind of file it is made from it."""
        return self._data

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        # One by one: the library's batches run in threads of their own, which would take other workers' cores.
        with _library("the tokenizer.json fails on a text"):
            rows = [self._pipeline.encode(text, add_special_tokens=False).ids for text in texts]
        if (
            self._ends_at_unknown
        ):  # as CLIP's: a text is read at its first end token, so what is behind is not
            rows = [row[: row.index(self.special.end)] if self.special.end in row else row for row in rows]
        # A model that splits nothing off may find '</s>' in its vocabulary all the same.
        return [
            row if self._never.isdisjoint(row) else [piece for piece in row if piece not in self._never]
            for row in rows
        ]

    def _text(self, ids: list[int]) -> str:
        return str(self._pipeline.decode(ids))


@contextlib.contextmanager
def _library(what: str) -> Iterator[None]:
    """Whatever goes wrong in the `tokenizers` library is the file's fault.

    It raises nothing more precise than Exception, and for a regular expression that cannot be run to its end a
    PanicException, which is not even that.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        raise UserError(f"{what}: {error}") from None


def check_vocabulary(vocabulary: Mapping[str, int]) -> None:
    """Raises ValueError where a vocabulary has no tokens, or an id that is none, twice there or far beyond all others.

    What the library makes of an id that two tokens share is another thing in every process.
    """
    tokens: dict[int, str] = {}
    for token, place in vocabulary.items():
        if isinstance(place, bool) or not isinstance(place, int) or place < 0:
            raise UserError(f"the token {token!r} has the id {place!r}")
        if place in tokens:
            raise UserError(f"the tokens {tokens[place]!r} and {token!r} have the same id {place}")
        tokens[place] = token
    highest, most = max(tokens, default=0), _SPARSEST * len(tokens)
    if not tokens or highest > most:
        raise UserError(
            f"the vocabulary has {len(tokens)} tokens and ids up to {highest}: up to {most} are read"
        )


def _found(pipeline: Any, padding: dict[str, Any] | None, vocabulary: dict[str, int]) -> Found:
    """What the file pads with, and what it puts before and behind a text."""
    pipeline.encode(_TRIAL)
    around = pipeline.encode("a")
    pads = [vocabulary[name] for name in _PAD_NAMES if name in vocabulary]
    return {
        "pad": padding["pad_id"] if padding else next(iter(pads), None),
        "begin": around.ids[0] if around.ids and around.special_tokens_mask[0] else None,
        "end": around.ids[-1] if around.ids and around.special_tokens_mask[-1] else None,
    }


def _unknown(data: bytes, vocabulary: dict[str, int]) -> int | None:
    """The id of what the model does not know, which texts may well become."""
    model = json.loads(data)["model"]
    return vocabulary.get(model.get("unk_token") or "", model.get("unk_id"))
