"""Microseconds a caption for every kind of tokenizer, in batches as the stream calls it, beside open_clip's own.

python -m benchmarks.tokenize_captions [--rounds=5]

The kinds take turns, the median of the rounds counts, and the first round, in which words are met for the first
time, is printed by itself. open_clip takes part if it is installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.harness import alternated
from input_pipeline.sources import open_source
from input_pipeline.tokenizers import Tokenizer, load_tokenizer

ROOT = Path(__file__).resolve().parents[1]
BATCH, LENGTH = 256, 77
Encode = Callable[[Sequence[str]], object]


def captions() -> list[str]:
    """Those of the quickstart's training split, each record's after another's."""
    config = {"format": "parquet", "path": str(ROOT / "data/quickstart/train.parquet")}
    source = open_source({**config, "columns": {"captions": "captions"}})
    return [caption.text for place in range(len(source)) for caption in source[place].captions]


def contestants(folder: Path) -> dict[str, Encode]:
    """What is measured, by name."""

    def load(kind: str, path: Path) -> Tokenizer:
        return load_tokenizer({"kind": kind, "path": str(path), "length": LENGTH, "vocabulary_size": 0})

    named: dict[str, Encode] = {
        "sentencepiece": load("sentencepiece", ROOT / "data/quickstart/tokenizer.model").tokens,
        "clip": load("clip", ROOT / "data/tokenizers/clip").tokens,
        "huggingface": load("huggingface", word_pieces(folder)).tokens,
    }
    try:
        from open_clip.tokenizer import SimpleTokenizer
    except ImportError:
        return named
    return {**named, "open_clip (CLIP's)": SimpleTokenizer()}


def word_pieces(folder: Path) -> Path:
    """A WordPiece tokenizer.json of 2,000 pieces from the captions."""
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing

    tokenizer = BertWordPieceTokenizer()
    tokenizer.train_from_iterator(captions(), vocab_size=2000, show_progress=False)
    begin, end = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = BertProcessing(end, begin)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def encode_all(encode: Encode, texts: Sequence[str]) -> None:
    for first in range(0, len(texts), BATCH):
        encode(texts[first : first + BATCH])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds, texts = parser.parse_args().rounds, captions()
    with TemporaryDirectory() as folder:
        named = contestants(Path(folder))
    taken = alternated(
        {name: partial(encode_all, encode, texts) for name, encode in named.items()}, 1 + rounds
    )
    print(f"{len(texts)} captions in batches of {BATCH}, one thread: microseconds of CPU time a caption")
    for name, times in taken.items():
        # Of CPU time, which other programs do not change much.
        first, *later = (1e6 * seconds / len(texts) for seconds in times.processor)
        print(f"{name:<20} {median(later):6.1f}   first round {first:6.1f}")


if __name__ == "__main__":
    main()
