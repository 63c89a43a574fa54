"""Text towers of Hugging Face within OpenCLIP's models: what their names, poolers and projections say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

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
    assert TOWERS["bert-base-uncased"].before == 0 and TOWERS["roberta-base"].before == 2
