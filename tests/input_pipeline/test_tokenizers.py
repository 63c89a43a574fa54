"""Tokens: fixed shapes, nothing lost that need not be, and a tokenizer that travels as bytes."""

from __future__ import annotations

import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from input_pipeline.tokenizers import Tokenizer, load_tokenizer, tokenizer_from_bytes, train_tokenizer
from input_pipeline.tokenizers.sentencepiece import BEGIN, END, PAD, SentencePieceTokenizer


def used(tokenizer: Tokenizer, text: str) -> list[int]:
    ids, mask = tokenizer.encode([text])
    return ids[0, mask[0]].tolist()


def test_rows_are_begin_pieces_end_padding(tokenizer: Tokenizer) -> None:
    ids, mask = tokenizer.encode(["a cat", "", "flag: " * 100])
    assert ids.shape == mask.shape == (3, 16) and ids.dtype == np.int32 and mask.dtype == bool
    assert (ids[:, 0] == BEGIN).all() and (ids[~mask] == PAD).all() and (ids[mask] != PAD).all()
    assert ids[1, mask[1]].tolist() == [BEGIN, END]
    for row, kept in zip(ids, mask, strict=True):
        assert row[kept.sum() - 1] == END and kept[: kept.sum()].all()
        assert ((row == END).sum(), (row == BEGIN).sum()) == (1, 1)
    assert mask[2].all() and ids[2, -1] == END


def test_no_texts_are_no_rows(tokenizer: Tokenizer) -> None:
    ids, mask = tokenizer.encode([])
    assert ids.shape == mask.shape == (0, 16)


def test_cut_texts_can_be_counted(tokenizer: Tokenizer) -> None:
    texts = ["", "a cat", "red " * 14, "red " * 15, "red " * 10_000]
    tokens = tokenizer.count_tokens(texts)
    assert tokens[0] == 2
    assert (tokens > tokenizer.length).tolist() == [False, False, False, True, True]
    long = SentencePieceTokenizer(tokenizer.to_bytes(), 64)
    for text, count in zip(texts[:4], tokens, strict=False):
        assert len(used(long, text)) == count


def test_case_width_and_white_space_do_not_matter(tokenizer: Tokenizer) -> None:
    assert (
        used(tokenizer, "A Red CAT")
        == used(tokenizer, "  a\tred\n cat\ufeff")
        == used(tokenizer, "\uff41 red cat")
    )


@pytest.mark.parametrize("text", ["日本", "кот", "🦊", "נמר", "☃"])
def test_any_script_comes_back_from_its_bytes(tokenizer: Tokenizer, text: str) -> None:
    import sentencepiece

    ids = used(SentencePieceTokenizer(tokenizer.to_bytes(), 64), text)
    assert 1 not in ids
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.to_bytes())
    assert processor.decode(ids[1:-1]) == text
    assert len({tuple(used(tokenizer, other)) for other in ["日本", "кот", "🦊"]}) == 3


@pytest.mark.parametrize("text", ["<s>", "</s>", "<pad>", "<unk>", "<0x41>", "a </s> b"])
def test_text_never_becomes_a_special_token(tokenizer: Tokenizer, text: str) -> None:
    assert not {PAD, 1, BEGIN, END} & set(used(tokenizer, text)[1:-1])


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "red " * 250_000, "\u0301" * 1_000_000, " " * 1_000_000, "\0\ud800"]
)
def test_hostile_text_takes_no_time(tokenizer: Tokenizer, text: str) -> None:
    start = time.process_time()
    ids, mask = tokenizer.encode([text])
    assert time.process_time() - start < 10  # a quadratic one takes hours
    assert ids[mask][-1] == END


def test_bytes_and_spec_are_all_that_is_needed(tokenizer: Tokenizer) -> None:
    spec = json.loads(json.dumps(tokenizer.spec))
    copies = [tokenizer_from_bytes(tokenizer.to_bytes(), spec), pickle.loads(pickle.dumps(tokenizer))]
    for copy in copies:
        assert copy.spec == spec and copy.vocabulary_size == tokenizer.vocabulary_size
        assert used(copy, "a red cat") == used(tokenizer, "a red cat")
    with pytest.raises(ValueError, match="sha256"):
        tokenizer_from_bytes(tokenizer.to_bytes(), {**spec, "sha256": "0"})


def test_wrong_files_and_settings_are_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = {
        "kind": "sentencepiece",
        "path": "data/quickstart/tokenizer.model",
        "length": 16,
        "vocabulary_size": 0,
    }
    with pytest.raises(ValueError, match="no/such"):
        load_tokenizer({**config, "path": "no/such.model"})
    with pytest.raises(ValueError, match=r"is 7, but .* has 2000"):
        load_tokenizer({**config, "vocabulary_size": 7})
    with pytest.raises(ValueError, match="length 2"):
        load_tokenizer({**config, "length": 2})
    with pytest.raises(ValueError, match="length 1000000000 is no length of a text: at most 1048576"):
        load_tokenizer({**config, "length": 10**9})
    with pytest.raises(ValueError, match=r"tokenizer\.kind='words'"):
        load_tokenizer({**config, "kind": "words"})
    (tmp_path / "bad.model").write_bytes(b"no model")
    with pytest.raises(ValueError, match="no SentencePiece model"):
        load_tokenizer({**config, "path": str(tmp_path / "bad.model")})


def test_training_is_repeatable_and_the_committed_model_is_that_of_the_captions(
    quickstart: Path, tmp_path: Path
) -> None:
    from input_pipeline.sources import open_source

    source = open_source({"format": "parquet", "path": str(quickstart / "train.parquet")})
    captions = [c.text for i in range(len(source)) for c in source[i].captions if c.language == "en"]
    for name in ("one", "two"):
        train_tokenizer(captions, 2000, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    committed = SentencePieceTokenizer((quickstart / "tokenizer.model").read_bytes(), 32)
    trained = SentencePieceTokenizer((tmp_path / "one").read_bytes(), 32)
    np.testing.assert_array_equal(trained.encode(captions[:500])[0], committed.encode(captions[:500])[0])
    with pytest.raises(ValueError, match="100000 pieces"):
        train_tokenizer(captions, 100_000, tmp_path / "three")


def test_prefix_tokens_are_appended_ids_behind_begin(tokenizer: Tokenizer) -> None:
    plain_size = tokenizer.vocabulary_size
    prefixed = SentencePieceTokenizer(tokenizer.to_bytes(), 16, prefix_tokens=("caption", "label"))
    assert prefixed.vocabulary_size == plain_size + 2
    ids, mask, truncated = prefixed.tokens(
        ["a red cat"] * 3 + ["red " * 14], ["", "label", "caption", "label"]
    )
    plain = used(tokenizer, "a red cat")
    assert ids[0, mask[0]].tolist() == plain
    assert ids[1, mask[1]].tolist() == [BEGIN, plain_size + 1, *plain[1:]]
    assert ids[2, mask[2]].tolist() == [BEGIN, plain_size, *plain[1:]]
    assert truncated.tolist() == [False, False, False, True] and ids[3, -1] == END
    assert not tokenizer.tokens(["red " * 14]).truncated[0], "without a prefix it just fits"
    copy = tokenizer_from_bytes(prefixed.to_bytes(), json.loads(json.dumps(prefixed.spec)))
    np.testing.assert_array_equal(copy.encode(["a"], ["label"])[0], prefixed.encode(["a"], ["label"])[0])


def test_prefix_tokens_that_cannot_be_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"no prefix token 'tag'.*has none"):
        tokenizer.encode(["a"], ["tag"])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        tokenizer.encode(["a", "b"], [""])
    for names in (("a", "a"), ("",)):
        with pytest.raises(ValueError, match="distinct names"):
            SentencePieceTokenizer(tokenizer.to_bytes(), 16, prefix_tokens=names)
    with pytest.raises(ValueError, match=r"length 3 .* at least 4"):
        SentencePieceTokenizer(tokenizer.to_bytes(), 3, prefix_tokens=("a",))


def test_threads_share_a_tokenizer(tokenizer: Tokenizer) -> None:
    clip = load_tokenizer(
        {"kind": "clip", "path": "data/tokenizers/clip", "length": 16, "vocabulary_size": 0}
    )
    texts = [f"a {color} thing {number}" for number in range(50) for color in ("red", "green")]
    for shared in (tokenizer, clip):
        with ThreadPoolExecutor(4) as pool:
            rows = list(pool.map(lambda _, shared=shared: shared.encode(texts)[0], range(8)))
        for row in rows[1:]:
            np.testing.assert_array_equal(row, rows[0])


@pytest.mark.parametrize("text", ["a red cat", "日本 кот 🦊", "a flag: red, white"])
def test_ids_can_be_read(tokenizer: Tokenizer, text: str) -> None:
    prefixed = SentencePieceTokenizer(tokenizer.to_bytes(), 64, prefix_tokens=("caption", "label"))
    ids, mask = prefixed.encode([text] * 2, ["", "label"])
    assert prefixed.decode(ids[0][mask[0]]) == text
    assert prefixed.decode(ids[1][mask[1]]) == f"[label] {text}"
