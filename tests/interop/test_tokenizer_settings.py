"""What the files beside a tokenizer say of it: lengths, sides, special tokens, vocabularies; without any tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Pipeline
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing

from input_pipeline.tokenizers.huggingface import check_vocabulary
from vlp.interop import bert, text
from vlp.interop.bert_tokenizer import byte_level_json
from vlp.interop.tokenizer_json import clip_json, gemma_json, t5_json


def folder(path: Path, **files: Any) -> Path:
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("files", "length"),
    [
        ({}, 64),
        (
            {
                "config": {"text_config": {"max_position_embeddings": 20}},
                "tokenizer_config": {"model_max_length": 9},
            },
            20,
        ),
        ({"tokenizer_config": {"model_max_length": 9}}, 9),
        ({"tokenizer_config": {"model_max_length": 100_000}}, 100_000),
        ({"tokenizer_config": {"model_max_length": 100_001}}, 64),
        ({"tokenizer_config": {"model_max_length": 1e30}}, 64),
        ({"config": {"text_config": {}}}, 64),
    ],
)
def test_a_text_is_as_long_as_there_are_positions_or_as_the_tokenizer_says(
    files: dict[str, Any], length: int, tmp_path: Path
) -> None:
    assert text._text_length(folder(tmp_path, **files), 64) == length


@pytest.mark.parametrize(
    ("settings", "content", "side"),
    [
        ({}, {}, ""),
        ({"padding_side": "right"}, {"padding": {"direction": "Left"}}, ""),
        ({}, {"padding": {"direction": "Right"}, "truncation": {"direction": "Right"}}, ""),
        ({"padding_side": "left"}, {}, "padding_side='left'"),
        ({"truncation_side": "left"}, {}, "truncation_side='left'"),
        ({}, {"truncation": {"direction": "Left"}}, "truncation_side='left'"),
        ({}, {"padding": {"direction": "Left"}}, "padding_side='left'"),
    ],
)
def test_texts_are_cut_and_padded_on_the_right_alone(
    settings: dict[str, Any], content: dict[str, Any], side: str, tmp_path: Path
) -> None:
    there = folder(tmp_path, tokenizer=content)
    if not side:
        text._check_sides(there, settings)
    else:
        with pytest.raises(ValueError, match=f"{side} is not supported, only 'right'"):
            text._check_sides(there, settings)


@pytest.mark.parametrize(
    ("settings", "padding", "strip_end", "special"),
    [
        ({}, "", False, ""),
        ({}, "<pad>", False, "pad=<pad>"),
        ({"pad_token": {"content": "[P]"}}, "<pad>", False, "pad=[P]"),
        ({"pad_token": "[P]"}, "", True, "end=[PAD],pad=[P]"),
        ({"pad_token": None}, "", True, "end=[PAD]"),
    ],
)
def test_special_tokens_are_those_that_the_template_does_not_say(
    settings: dict[str, Any], padding: str, strip_end: bool, special: str
) -> None:
    assert text._around(settings, padding, strip_end) == special


@pytest.mark.parametrize(
    ("listed", "pad"), [({}, "x"), ({"added_tokens_decoder": {}}, "<pad>")], ids=["older", "listed"]
)
def test_the_file_of_special_tokens_counts_more_unless_the_settings_list_them(
    listed: dict[str, Any], pad: str, tmp_path: Path
) -> None:
    """In both the ids are those of transformers: SigLIP's text tower reads padding like any other token."""
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2, "x": 3, "a": 4}
    pipeline = Pipeline(WordLevel(vocabulary, unk_token="<s>"))
    pipeline.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    pipeline.save(str(tmp_path / "tokenizer.json"))
    said = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>", **listed}
    there = folder(tmp_path, tokenizer_config=said, special_tokens_map={"pad_token": "x"})
    ids = text._huggingface(there, 6, default="").encode(["a"])[0]
    assert ids[0].tolist() == [4, 2] + [vocabulary[pad]] * 4
    transformers = pytest.importorskip("transformers", reason="transformers is a peer, not a dependency")
    peer = transformers.AutoTokenizer.from_pretrained(there, local_files_only=True)
    assert peer(["a"], padding="max_length", max_length=6)["input_ids"] == ids.tolist()


def test_merges_are_pairs_however_they_are_written() -> None:
    assert text._pairs(["a b", ["c", "d"], ("e", "f")]) == [("a", "b"), ("c", "d"), ("e", "f")]
    for merges in (["a"], ["a b c"], [["a"]], [[1, "b"]], None, "ab", [None]):
        with pytest.raises(ValueError, match="is no pair of pieces"):
            text._pairs(merges)


def test_added_tokens_have_names_and_ids() -> None:
    assert text._added({"added_tokens": [{"content": "a", "id": 3}, {"content": "b", "id": 4}]}, "") == {
        "a": 3,
        "b": 4,
    }
    assert text._added({}, "") == text._added({"added_tokens": None}, "") == {}
    for tokens in ([1], {"a": 1}, [{"id": 3}]):
        with pytest.raises(ValueError, match="added_tokens"):
            text._added({"added_tokens": tokens}, "")


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({}, "0 tokens"),
        ({"a": True}, "the token 'a' has the id True"),
        ({"a": 1.0}, "the token 'a' has the id 1.0"),
        ({"a": -1}, "the token 'a' has the id -1"),
        ({"a": 0, "b": 0}, "the tokens 'a' and 'b' have the same id 0"),
        ({"a": 10**9}, "1 tokens and ids up to 1000000000"),
    ],
)
def test_a_vocabulary_has_an_id_of_its_own_for_every_token(vocabulary: dict[str, Any], message: str) -> None:
    check_vocabulary({"a": 0, "b": 1})
    with pytest.raises(ValueError, match=message):
        check_vocabulary(vocabulary)


def test_what_is_written_is_the_pipeline_of_each_class() -> None:
    pieces = ("a", "b", "ab", "a</w>", "b</w>", "ab</w>", "<|startoftext|>", "<|endoftext|>")
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    content = json.loads(clip_json(vocabulary, [("a", "b</w>")]))
    assert (
        content["model"]["end_of_word_suffix"] == "</w>" and content["model"]["unk_token"] == "<|endoftext|>"
    )
    kinds = [one["type"] for one in content["normalizer"]["normalizers"]]
    assert kinds == ["NFC", "Replace", "Lowercase"] and content["pre_tokenizer"]["pretokenizers"][0]["invert"]
    assert (
        content["post_processor"]["sep"] == ["<|endoftext|>", 7] and content["post_processor"]["cls"][1] == 6
    )
    for missing in ("<|startoftext|>", "<|endoftext|>"):
        with pytest.raises(ValueError, match="the vocabulary has no token"):
            clip_json({name: place for name, place in vocabulary.items() if name != missing}, [])
    with pytest.raises(ValueError, match="vocabulary and merges do not fit"):
        clip_json(vocabulary, [("x", "y")])
    gemma = json.loads(gemma_json({"model": 1, "normalizer": None}))
    assert gemma["model"] == 1 and gemma["normalizer"]["normalizers"][0] == {"type": "Lowercase"}
    assert (
        gemma["pre_tokenizer"]["behavior"] == "MergedWithPrevious"
        and gemma["pre_tokenizer"]["invert"] is False
    )
    charsmap = {"type": "Precompiled", "precompiled_charsmap": "x"}
    for normalizer, kept in ((charsmap, charsmap), ({"normalizers": [{"type": "NFC"}, charsmap]}, charsmap),
                             ({"normalizers": 3}, None), (None, None)):  # fmt: skip
        found = json.loads(t5_json({"normalizer": normalizer}))
        assert found["normalizer"] == kept
        metaspace = found["pre_tokenizer"]["pretokenizers"][1]
        assert metaspace["prepend_scheme"] == "always" and metaspace["split"] is True


@pytest.mark.parametrize("masks", [True, False])
def test_a_mask_takes_the_blank_before_it_and_is_no_token_where_there_is_none(masks: bool) -> None:
    names = ["<s>", "<pad>", "</s>", "<unk>", *(["<mask>"] if masks else []), *ByteLevel.alphabet()]
    vocabulary = {name: number for number, name in enumerate(names)}
    pipeline = Pipeline.from_str(byte_level_json(vocabulary, []).decode())
    found = pipeline.encode("a <mask>").ids
    if masks:
        assert found == [vocabulary[name] for name in ("<s>", "a", "<mask>", "</s>")]
    else:
        assert len(found) > 4
    assert pipeline.get_vocab_size() == len(vocabulary)


@pytest.mark.parametrize(
    ("modes", "pool"),
    [
        ({}, "first"),
        ({"cls_token": True, "mean_tokens": False}, "first"),
        ({"mean_tokens": True}, "mean"),
        ({"max_tokens": True}, "max"),
        ({"weightedmean_tokens": True}, ""),
        ({"mean_tokens": True, "cls_token": True}, ""),
    ],
)
def test_one_pooling_that_is_known_is_followed_and_no_other(
    modes: dict[str, bool], pool: str, tmp_path: Path
) -> None:
    (tmp_path / "1_Pooling").mkdir()
    content = {f"pooling_mode_{mode}": on for mode, on in modes.items()}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(content))
    if pool:
        assert bert._pool(tmp_path) == pool
    else:
        with pytest.raises(ValueError, match="pooling"):
            bert._pool(tmp_path)
