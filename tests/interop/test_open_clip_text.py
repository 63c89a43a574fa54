"""Text towers of Hugging Face within OpenCLIP's models: what their names, poolers and projections say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from benchmarks.peers import open_clip_families
from vlp.interop.open_clip import reading_of, settings
from vlp.interop.open_clip_text import TOWERS

BERT = {
    "embeddings.word_embeddings.weight": (50, 128),
    "encoder.layer.0.intermediate.dense.weight": (96, 128),
    "encoder.layer.1.intermediate.dense.weight": (96, 128),
}
M2M = {"embed_tokens.weight": (50, 128), "layers.0.fc1.weight": (96, 128)}


def said(shapes: dict[str, tuple[int, ...]], embed_dim: int = 64, **text: Any) -> dict[str, Any]:
    tensors = {f"text.transformer.{name}": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    found: dict[str, Any] = settings({"embed_dim": embed_dim, "text_cfg": text}, tensors)["text"]
    return found


def test_shapes_and_the_name_say_what_a_tower_is() -> None:
    size = {"kind": "transformer", "size": "", "width": 128, "heads": 2, "mlp_dim": 96, "causal": False}
    roberta = said(BERT, hf_model_name="xlm-roberta-base")
    mlp = {"projection": "gelu", "projection_dim": 96}
    own = {"depth": 2, "activation": "gelu", "norm_eps": 1e-5, "post_norm": True, "pool": "mean"}
    assert roberta == size | own | mlp
    nllb = said(
        M2M, hf_model_name="facebook/nllb-200-distilled-600M", hf_pooler_type=None, hf_proj_type="linear"
    )
    own = {"depth": 1, "activation": "relu", "norm_eps": 1e-5, "post_norm": False, "pool": "first"}
    assert nllb == size | own | {"projection": "linear"}
    pool = "cls_last_hidden_state_pooler"
    bert = said(BERT, 128, hf_model_name="bert-base-uncased", hf_pooler_type=pool, hf_proj_type=None)
    assert (bert["norm_eps"], bert["pool"], bert["projection"]) == (1e-12, "first", "none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            {"hf_model_name": "google/mt5-base"},
            "hf_model_name='google/mt5-base' is not supported, only one of",
        ),
        ({"hf_model_name": ["roberta-base"]}, "hf_model_name="),
        (
            {"hf_pooler_type": "max_pooler"},
            "hf_pooler_type='max_pooler' is not supported, only one of mean_pooler",
        ),
        ({"hf_pooler_type": ["mean_pooler"]}, "hf_pooler_type=.* is not supported, only one of mean_pooler"),
        ({"hf_pooler_type": "cls_pooler"}, "hf_pooler_type='cls_pooler' is not supported"),
        ({"hf_model_name": "bert-base-uncased", "hf_pooler_type": None}, "hf_pooler_type='cls_pooler'"),
        ({"hf_proj_type": None}, "hf_proj_type=None is not supported"),
        ({"hf_proj_type": "none"}, "hf_proj_type='none' is not supported"),
    ],
)
def test_what_is_read_otherwise_is_refused(text: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        said(BERT, **{"hf_model_name": "roberta-base", **text})


def test_a_tower_hides_its_own_padding_and_may_have_more_rows_than_ids() -> None:
    reading = reading_of({"text_cfg": {"hf_model_name": "roberta-base", "context_length": 50}})
    assert (reading.length, reading.rows, reading.pad, reading.spare, reading.end) == (50, 0, 1, True, None)
    with pytest.raises(ValueError, match="context_length=1025 is not supported"):
        reading_of({"text_cfg": {"hf_model_name": "roberta-base", "context_length": 1025}})
    assert TOWERS["bert-base-uncased"].before == 0 and TOWERS["roberta-base"].before == 2


TINY = {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 96}
CONFIGS = {
    "bert-base-uncased": ("BertConfig", TINY),
    "FacebookAI/roberta-large": ("RobertaConfig", {**open_clip_families.ROBERTA, **TINY}),
}


def written(folder: Path, name: str, tokenizer: str, **text: Any) -> Path:
    """A folder of OpenCLIP's with a tower of that name and a tiny one of images."""
    folder.mkdir()
    said = {"hf_model_name": name, "hf_tokenizer_name": tokenizer, "context_length": 20, **text}
    vision = {"layers": 1, "width": 64, "image_size": 32, "patch_size": 16}
    config = {"embed_dim": 64, "custom_text": True, "vision_cfg": vision, "text_cfg": said}
    open_clip_families.write_config(config, folder)
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bert-base-uncased", {"hf_pooler_type": "cls_last_hidden_state_pooler", "hf_proj_type": "mlp"}),
        ("FacebookAI/roberta-large", {"hf_pooler_type": None}),
    ],
)
def test_a_text_is_encoded_as_open_clip_does(name: str, text: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("open_clip", reason="open_clip is a peer, not a dependency")
    folder = written(tmp_path / "theirs", name, name, **text)
    with mock.patch.dict(open_clip_families.HUGGINGFACE, CONFIGS):
        theirs = open_clip_families.theirs(folder)
    ours = open_clip_families.ours(folder)
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-5)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-5)


def test_another_padding_and_too_few_rows_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("open_clip", reason="open_clip is a peer, not a dependency")
    name = "FacebookAI/roberta-large"
    folder = written(tmp_path / "theirs", name, name)
    with mock.patch.dict(open_clip_families.HUGGINGFACE, CONFIGS):
        open_clip_families.theirs(folder)
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**tokenizer, "pad_token": "<unk>"}))
    with pytest.raises(ValueError, match="text tower hides the id 1, but the tokenizer pads with 3"):
        open_clip_families.ours(folder)
    open_clip_families.tokenizer_files("nllb", folder)  # which has a token more
    with pytest.raises(ValueError, match="the tokenizer has 105 ids, but the model has 104"):
        open_clip_families.ours(folder)
