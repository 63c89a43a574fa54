"""A tokenizer.json of any make: its own special tokens, none of which a text can write."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as Pipeline
from tokenizers import models, normalizers, pre_tokenizers, processors

from input_pipeline.tokenizers import Tokenizer, load_tokenizer, tokenizer_from_bytes

WORDS = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "red": 5, "cat": 6, "##s": 7}


def bert() -> Pipeline:
    """A WordPiece model that puts [CLS] before and [SEP] behind."""
    pipeline = Pipeline(models.WordPiece(WORDS, unk_token="[UNK]"))
    pipeline.normalizer = normalizers.Lowercase()
    pipeline.pre_tokenizer = pre_tokenizers.Whitespace()
    pipeline.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)]
    )
    pipeline.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    pipeline.enable_padding(length=5)
    pipeline.enable_truncation(4)
    return pipeline


def t5() -> Pipeline:
    """A unigram model whose vocabulary holds '</s>', put behind, with nothing before."""
    pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("\u2581a", -1.0),
        ("\u2581cat", -1.0),
        ("\u2581", -9.0),
    ]
    pipeline = Pipeline(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    pipeline.pre_tokenizer = pre_tokenizers.Metaspace()
    pipeline.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    return pipeline


def load(pipeline: Pipeline, folder: Path, **settings: Any) -> Tokenizer:
    pipeline.save(str(folder / "tokenizer.json"))
    return load_tokenizer(
        {"kind": "huggingface", "path": str(folder), "length": 8, "vocabulary_size": 0, **settings}
    )


def test_begin_end_and_padding_are_those_of_the_file(tmp_path: Path) -> None:
    tokens = load(bert(), tmp_path).tokens(["A red cat", "", "cats " * 9, "猫"])
    assert tokens.ids.tolist() == [
        [2, 4, 5, 6, 3, 0, 0, 0],
        [2, 3, 0, 0, 0, 0, 0, 0],
        [2, 6, 7, 6, 7, 6, 7, 3],
        [2, 1, 3, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(tokens.mask, tokens.ids != 0)
    assert tokens.truncated.tolist() == [False, False, True, False]
    assert load(t5(), tmp_path).tokens(["a cat"]).ids[0, :4].tolist() == [3, 4, 1, 0]


def test_ids_can_be_read(tmp_path: Path) -> None:
    tokenizer = load(bert(), tmp_path, prefix_tokens=("label",))
    ids, mask, _ = tokenizer.tokens(["A red cat"], ["label"])
    assert tokenizer.decode(ids[0][mask[0]]) == "[label] a red cat"


def test_text_never_becomes_a_special_token(tmp_path: Path) -> None:
    ids, _ = load(bert(), tmp_path).encode(["[SEP] cat", "[PAD]"])
    assert ids.tolist() == [[2, 1, 1, 1, 6, 3, 0, 0], [2, 1, 1, 1, 3, 0, 0, 0]], "brackets and a word"
    ids, mask = load(t5(), tmp_path).encode(["a </s> cat <pad>"])
    assert (ids[mask] == 1).sum() == 1 and not (ids[mask] == 0).any()


def test_special_tokens_can_be_named(tmp_path: Path) -> None:
    tokenizer = load(bert(), tmp_path, special_tokens="begin=,end=[CLS],pad=[UNK]")
    assert tokenizer.encode(["a"])[0][0].tolist() == [4, 2, 1, 1, 1, 1, 1, 1]
    copy = tokenizer_from_bytes(tokenizer.to_bytes(), json.loads(json.dumps(tokenizer.spec)))
    assert copy.special == tokenizer.special == pickle.loads(pickle.dumps(tokenizer)).special
    for wrong, message in {
        "end=<none>": "no token '<none>'",
        "stop=[SEP]": "'stop=",
        "end=": "which token is end",
    }.items():
        with pytest.raises(ValueError, match=message):
            load(bert(), tmp_path, special_tokens=wrong)


def test_wrong_files_and_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"vocabulary_size is 7, but .* has 8"):
        load(bert(), tmp_path, vocabulary_size=7)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no tokenizer\.json"):
        load_tokenizer({"kind": "huggingface", "path": str(tmp_path), "length": 8, "vocabulary_size": 0})
