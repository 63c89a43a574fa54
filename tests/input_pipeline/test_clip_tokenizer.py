"""CLIP's ids, one for one, from any of the files that hold its merges."""

from __future__ import annotations

import gzip
import itertools
import json
import pickle
import time
from pathlib import Path

import pytest

from input_pipeline.tokenizers import Tokenizer, load_tokenizer, tokenizer_from_bytes

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "data" / "tokenizers" / "clip"
CONFIG = {"kind": "clip", "path": str(FOLDER), "length": 77, "vocabulary_size": 49_408}
BEGIN, END = 49_406, 49_407


@pytest.fixture(scope="module")
def clip() -> Tokenizer:
    return load_tokenizer(CONFIG)


def used(tokenizer: Tokenizer, text: str) -> list[int]:
    ids, mask = tokenizer.encode([text])
    return ids[0, mask[0]].tolist()


def test_ids_are_those_of_the_original(clip: Tokenizer) -> None:
    rows = json.loads((ROOT / "tests" / "golden" / "clip_token_ids.json").read_text())["rows"]
    assert len(rows) == 21
    for row in rows:
        assert used(clip, row["text"]) == row["ids"], row["text"]


def test_ids_can_be_read(clip: Tokenizer) -> None:
    for text in ("a red cat ' s flag", "日本 кот 🦊", "naïve"):
        ids, mask = clip.encode([text])
        assert clip.decode(ids[0][mask[0]]) == text


def test_real_tokens_come_first_and_padding_is_zero(clip: Tokenizer) -> None:
    tokens = clip.tokens(["a cat", "! ! !", "red " * 76])
    assert tokens.ids.shape == (3, 77) and tokens.mask.sum(1).tolist() == [4, 5, 77]
    assert not tokens.ids[~tokens.mask].any() and tokens.mask[:, 0].all()
    assert (tokens.ids[[0, 1, 2], tokens.mask.sum(1) - 1] == END).all()
    assert tokens.truncated.tolist() == [False, False, True]


@pytest.mark.parametrize(
    "text", ["<start_of_text>", "<|endoftext|> a", "a <end_of_text> b", "<pad></s>[SEP]"]
)
def test_text_never_becomes_a_special_token(clip: Tokenizer, text: str) -> None:
    ids = used(clip, text)
    assert len(ids) > 3 and not {BEGIN, END} & set(ids[1:-1])


def test_the_odd_captions_all_become_rows(clip: Tokenizer, odd_inputs: Path) -> None:
    files = sorted((odd_inputs / "samples").glob("caption_*.txt"))
    texts = [file.read_bytes().decode("utf-8", "surrogateescape") for file in files]
    start = time.process_time()
    tokens = clip.tokens(texts)
    assert time.process_time() - start < 20  # a quadratic one takes hours
    for row, mask in zip(tokens.ids, tokens.mask, strict=True):
        assert (row[0], row[mask.sum() - 1]) == (BEGIN, END)
        assert ((row == BEGIN).sum(), (row == END).sum()) == (1, 1)
    assert {file.stem for file, cut in zip(files, tokens.truncated, strict=True) if cut} >= {"caption_1mb"}


def test_every_file_with_the_merges_gives_the_same_tokenizer(clip: Tokenizer, tmp_path: Path) -> None:
    with gzip.open(FOLDER / "bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8") as file:
        merges = [line.rstrip("\n") for line in itertools.islice(file, 1, 49_152 - 256 - 2 + 1)]
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    pairs = [merge.split() for merge in merges]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "merges": pairs}}))
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        assert load_tokenizer({**CONFIG, "path": str(path)}).spec == clip.spec


def test_it_travels_as_bytes(clip: Tokenizer) -> None:
    spec = json.loads(json.dumps(clip.spec))
    assert len(clip.to_bytes()) < 600_000, "only the merges that CLIP reads"
    for copy in (tokenizer_from_bytes(clip.to_bytes(), spec), pickle.loads(pickle.dumps(clip))):
        assert copy.spec == spec and used(copy, "a red cat") == used(clip, "a red cat")


def test_other_files_are_refused(tmp_path: Path) -> None:
    for number, data in enumerate((b"no merges", b"\x1f\x8bdamaged", b"\xff\xfe", b"{", b'{"a": 1}')):
        path = tmp_path / f"{number}"
        path.write_bytes(data)
        with pytest.raises(ValueError, match="no CLIP vocabulary"):
            load_tokenizer({**CONFIG, "path": str(path)})
