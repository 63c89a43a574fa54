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
from input_pipeline.tokenizers.wordpiece import vocabulary_lines

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


def tokenizer_of(content: dict[str, Any], folder: Path) -> Tokenizer:
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return load_tokenizer(
        {
            "kind": "huggingface",
            "path": str(folder),
            "length": 8,
            "vocabulary_size": 0,
            "special_tokens": "pad=[PAD]",
        }
    )


def test_ids_beyond_reason_are_refused(tmp_path: Path) -> None:
    content = json.loads(bert().to_str())
    most = 16 * len(WORDS)
    for change, message in (
        ({"cat": most + 1}, rf"8 tokens and ids up to {most + 1}: up to {most} are read"),
        ({"cat": 2**31}, f"8 tokens and ids up to {2**31}"),
        ({"cat": 5}, "'red' and 'cat' have the same id 5|'cat' and 'red' have the same id 5"),
        ({"cat": -1}, "no tokenizer.json"),
    ):
        model = {**content["model"], "vocab": {**WORDS, **change}}
        with pytest.raises(ValueError, match=message):
            tokenizer_of({**content, "model": model}, tmp_path)
    model = {**content["model"], "vocab": {**WORDS, "cat": most}}
    assert tokenizer_of({**content, "model": model}, tmp_path).vocabulary_size == most + 1


def test_a_regular_expression_that_never_ends_is_the_file_s_fault(tmp_path: Path) -> None:
    """The library gives up in a way that is no Exception."""
    content = json.loads(bert().to_str())
    for pattern in (r"(a+)+$", r"(\w+\s?)*$", "(("):
        split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        with pytest.raises(ValueError, match=r"no tokenizer\.json"):
            tokenizer_of({**content, "pre_tokenizer": split}, tmp_path)
    split = {"type": "Split", "pattern": {"Regex": "(z+)+$"}, "behavior": "Isolated", "invert": False}
    tokenizer = tokenizer_of({**content, "pre_tokenizer": split}, tmp_path)
    with pytest.raises(ValueError, match=r"the tokenizer\.json fails on a text"):
        tokenizer.encode(["z" * 60 + "!"])


def test_a_text_ends_at_what_is_unknown_where_that_is_the_end_token(tmp_path: Path) -> None:
    """As in CLIP's tokenizer: transformers reads a text at its first end token."""
    pipeline = Pipeline(models.WordLevel({"a": 0, "b": 1, "[PAD]": 2, "</s>": 3}, unk_token="</s>"))
    pipeline.pre_tokenizer = pre_tokenizers.Whitespace()
    pipeline.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 3)])
    pipeline.add_special_tokens(["[PAD]", "</s>"])
    ids, mask = load(pipeline, tmp_path).encode(["a b", "a c b", "c"])
    assert [row[real].tolist() for row, real in zip(ids, mask, strict=True)] == [[0, 1, 3], [0, 3], [3]]


def test_a_vocabulary_has_the_lines_that_its_file_has(tmp_path: Path) -> None:
    """Not those that Unicode would make of it: a piece may be a line separator."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2028", "\u0085", "a"]
    path = tmp_path / "vocab.txt"
    for end in ("\n", "\r\n"):
        path.write_bytes(end.join([*pieces, ""]).encode())
        assert vocabulary_lines(path.read_bytes().decode()) == pieces
        settings = {"kind": "wordpiece", "path": str(path), "length": 4, "vocabulary_size": 0}
        assert load_tokenizer(settings).encode(["a"])[0][0, 1] == 6
