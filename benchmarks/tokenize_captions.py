"""Microseconds a caption for every kind of tokenizer, in batches as the stream calls it, beside open_clip's own.

python -m benchmarks.tokenize_captions [--rounds=5]

The kinds take turns, the median of the rounds counts, and the first round, in which words are met for the first
time, is printed by itself. open_clip takes part if it is installed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

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


def microseconds(encode: Encode, texts: Sequence[str]) -> float:
    """A caption's share of the CPU time of encoding them all, which other programs do not change much."""
    start = time.process_time()
    for first in range(0, len(texts), BATCH):
        encode(texts[first : first + BATCH])
    return (time.process_time() - start) / len(texts) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds, texts = parser.parse_args().rounds, captions()
    with TemporaryDirectory() as folder:
        named = contestants(Path(folder))
    taken = {name: [] for name in named}
    for _ in range(1 + rounds):
        for name, encode in named.items():
            taken[name].append(microseconds(encode, texts))
    print(f"{len(texts)} captions in batches of {BATCH}, one thread: microseconds of CPU time a caption")
    for name, (first, *later) in taken.items():
        print(f"{name:<20} {median(later):6.1f}   first round {first:6.1f}")


if __name__ == "__main__":
    main()
