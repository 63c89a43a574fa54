"""What an open_clip_config.json says and leaves out, and what OpenAI's archives say by their shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from vlp.configuration.resolve import completed
from vlp.interop import openai
from vlp.interop.open_clip import CONFIG, config_of, entries, reading_of, settings
from vlp.interop.reading import HIGHEST, Reading

# The defaults of open_clip's CLIPVisionCfg and CLIPTextCfg.
IMAGE = {
    "kind": "vit", "size": "", "width": 768, "depth": 12, "heads": 12, "mlp_dim": 3072, "activation": "gelu",
    "norm_eps": 1e-5, "layer_scale": 0.0, "patch_size": 16, "resolution": 224, "drop_rest": False,
    "position": "learned", "pool": "class", "norm_after_pool": False, "registers": 0, "pre_norm": True,
    "patch_bias": False, "class_position": True,
}  # fmt: skip
TEXT = {
    "size": "", "width": 512, "depth": 12, "heads": 8, "mlp_dim": 2048, "activation": "gelu", "norm_eps": 1e-5,
    "layer_scale": 0.0, "causal": True, "pool": "end", "attend_padding": False, "projection": "linear",
}  # fmt: skip


def said(
    vision: dict[str, Any] | None = None, text: dict[str, Any] | None = None, **model: Any
) -> dict[str, Any]:
    return settings({"embed_dim": 512, "vision_cfg": vision, "text_cfg": text, **model}, {})


def test_what_is_left_out_is_what_open_clip_has() -> None:
    assert said() == {"embed_dim": 512, "image": IMAGE, "text": TEXT}
    assert settings({"embed_dim": 8}, {"logit_bias": np.zeros(())})["logit_bias"] == {"learn": True}


@pytest.mark.parametrize(
    ("tower", "given", "ours"),
    [
        ("vision", {"image_size": 225}, {"resolution": 225, "drop_rest": True}),
        ("vision", {"image_size": [96, 96], "patch_size": [32, 32]}, {"resolution": 96, "patch_size": 32}),
        ("vision", {"pool_type": "avg"}, {"pool": "mean", "registers": 1}),
        ("vision", {"no_ln_pre": True}, {"pre_norm": False}),
        ("vision", {"pool_type": "avg", "final_ln_after_pool": True},
         {"pool": "mean", "registers": 1, "norm_after_pool": True}),
        ("vision", {"final_ln_after_pool": True}, {}),
        ("vision", {"ls_init_value": 1e-4}, {"layer_scale": 1e-4}),
        ("text", {"ls_init_value": 1}, {"layer_scale": 1.0}),
        ("vision", {"width": 100, "head_width": 25, "mlp_ratio": 3.33}, {"width": 100, "heads": 4, "mlp_dim": 333}),
        ("vision", {"act_kwargs": {"approximate": "tanh"}}, {"activation": "gelu_tanh"}),
        ("vision", {"norm_kwargs": {"eps": 1e-6}}, {"norm_eps": 1e-6}),
        ("vision", {"pad_id": 0, "timm_drop": 0.5, "output_tokens": True, "unheard_of": False}, {}),
        ("text", {"pool_type": "eos"}, {}),
        ("text", {"pool_type": "last"}, {"pool": "last"}),
        ("text", {"no_causal_mask": True}, {"causal": False, "attend_padding": True}),
        ("text", {"no_causal_mask": True, "pool_type": "last"}, {"causal": False, "pool": "last"}),
        ("text", {"no_causal_mask": True, "pool_type": "first"},
         {"causal": False, "pool": "first", "attend_padding": True}),
        ("text", {"proj_bias": True}, {"projection": "biased"}),
        ("text", {"proj_type": "none", "proj_bias": True}, {"projection": "none"}),
    ],
)  # fmt: skip
def test_what_is_said_changes_that_alone(tower: str, given: dict[str, Any], ours: dict[str, Any]) -> None:
    found = said(given) if tower == "vision" else said(None, given)
    assert found["image"] == (IMAGE | ours if tower == "vision" else IMAGE)
    assert found["text"] == (TEXT | ours if tower == "text" else TEXT)


def test_the_quick_gelu_is_both_towers() -> None:
    found = said(quick_gelu=True)
    assert found["image"]["activation"] == found["text"]["activation"] == "quick_gelu"


def test_lists_of_layers_are_a_resnet() -> None:
    image = said({"layers": [3, 4, 6, 3], "width": 64, "image_size": 224})["image"]
    assert (image["kind"], image["size"], image["width"], image["heads"]) == ("resnet", "R50", 64, 32)
    assert (image["resolution"], image["pool"], image["norm"]) == (224, "attention", "batch")
    with pytest.raises(ValueError, match=r"layers=\[1, 2\] is none of our resnets'"):
        said({"layers": [1, 2]})
    with pytest.raises(ValueError, match=r"vision_cfg.layers=\[3\] is not supported, only a whole number"):
        said({"layers": [[3], 4, 6, 3]})


@pytest.mark.parametrize(
    ("vision", "text", "model", "message"),
    [
        ({"pool_type": "max"}, None, {}, "vision_cfg.pool_type='max'"),
        ({"attentional_pool": True}, None, {}, "vision_cfg.attentional_pool=True"),
        ({"act_kwargs": {"alpha": 1}}, None, {}, "vision_cfg.act_kwargs={'alpha': 1}"),
        ({"norm_kwargs": {"eps": 1e-6, "bias": False}}, None, {}, "vision_cfg.norm_kwargs="),
        ({"ls_init_value": 0}, None, {}, "vision_cfg.ls_init_value=0 is not supported"),
        (None, {"pool_type": "first"}, {}, "with a causal mask reads one token alone"),
        (None, {"pool_type": "none"}, {}, "text_cfg.pool_type='none'"),
        (None, {"proj_type": "mlp"}, {}, "text_cfg.proj_type='mlp'"),
        (None, {"block_type": "custom"}, {}, "text_cfg.block_type='custom'"),
        (None, None, {"multimodal_cfg": {"a": 1}}, "model_cfg.multimodal_cfg="),
        (None, None, {"quick_gelu": 1}, "quick_gelu=1"),
        (None, None, {"embed_dim": 0}, "embed_dim=0"),
    ],
)
def test_what_our_towers_do_not_have_is_refused(
    vision: Any, text: Any, model: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        said(vision, text, **model)
    said({"block_type": "default", "final_ln_after_pool": False}, {"block_type": None})


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ({}, Reading(77, 49408, HIGHEST, f"{CONFIG}: text_cfg.pool_type='argmax'")),
        ({"pool_type": "eos"}, Reading(77, 49408, 2, f"{CONFIG}: text_cfg.eos_id")),
        ({"pool_type": "eos", "eos_id": 0}, Reading(77, 49408, 0, f"{CONFIG}: text_cfg.eos_id")),
        ({"pool_type": "last", "context_length": 64, "vocab_size": 100}, Reading(64, 100)),
    ],
)
def test_a_text_is_read_where_its_pool_says(text: dict[str, Any], reading: Reading) -> None:
    assert reading_of({"text_cfg": text}) == reading


def zeros(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name.replace("__", "."): np.zeros(shape, np.float32) for name, shape in shapes.items()}


TOWER = {
    "text_projection": np.zeros((128, 32)),
    **zeros(token_embedding__weight=(50, 128), positional_embedding=(16, 128)),
    **zeros(
        transformer__resblocks__0__a=(1,),
        transformer__resblocks__0__b=(1,),
        transformer__resblocks__1__a=(1,),
    ),
}
ONLY = zeros(input_resolution=(1,), context_length=(1,), vocab_size=(1,))


def test_openai_s_archives_say_their_sizes_by_shapes() -> None:
    vit = zeros(
        visual__conv1__weight=(192, 3, 8, 8), visual__proj=(192, 32), visual__positional_embedding=(1 + 25, 192),
        visual__transformer__resblocks__0__a=(1,),
    )  # fmt: skip
    config = openai.config_of(vit | TOWER | ONLY)
    assert config["vision_cfg"] == {"layers": 1, "width": 192, "patch_size": 8, "image_size": 40}
    text = {"context_length": 16, "vocab_size": 50, "width": 128, "heads": 2, "layers": 2}
    assert config["text_cfg"] == text and config["embed_dim"] == 32 and config["quick_gelu"] is True
    stages = {f"visual__layer{stage}__{place}__a": (1,) for stage in (1, 2, 3, 4) for place in range(stage)}
    resnet = zeros(
        visual__conv1__weight=(8, 3, 3, 3), visual__attnpool__positional_embedding=(1 + 9, 64),
        visual__layer1__0__conv1__weight=(16, 16, 1, 1), **stages,
    )  # fmt: skip
    found = openai.config_of(resnet | TOWER | ONLY)["vision_cfg"]
    assert found == {"layers": [1, 2, 3, 4], "width": 16, "image_size": 96}
    with pytest.raises(ValueError, match="not named like those of OpenAI's archives"):
        openai.config_of(TOWER | ONLY)
    with pytest.raises(ValueError, match="do not say whether the activation is GELU or QuickGELU"):
        openai.config_of(vit | TOWER)


@pytest.mark.parametrize(
    ("image", "text", "model"),
    [
        ({}, {}, {}),
        ({"mlp_dim": 2999, "pool": "mean", "norm_after_pool": True, "registers": 1, "pre_norm": False},
         {"causal": False, "attend_padding": True, "projection": "biased"}, {"logit_bias": {"learn": True}}),
        ({"activation": "gelu_tanh", "norm_eps": 1e-6}, {"pool": "last", "projection": "none"}, {}),
        ({"activation": "quick_gelu"}, {"activation": "quick_gelu"}, {}),
    ],
)  # fmt: skip
def test_a_config_that_is_written_is_read_as_the_same(
    image: dict[str, Any], text: dict[str, Any], model: dict[str, Any]
) -> None:
    ours = ConfigDict(completed({})["model"])
    ours.update({"embed_dim": 64, "image": IMAGE | image, "text": TEXT | text, **model})
    content = config_of(ours, vocabulary_size=100, length=20, end=3, pad=0)["model_cfg"]
    there = {"logit_bias": np.zeros(())} if model else {}
    found = settings(content, there)
    assert found["image"] == IMAGE | image and found["text"] == TEXT | text and found["embed_dim"] == 64
    assert ("init_logit_bias" in content) == bool(model)
    assert content["custom_text"] == (text.get("projection") == "none")
    assert content["text_cfg"]["pad_id"] == 0
    expected = {"length": 20, "rows": 100}
    assert {"length": reading_of(content).length, "rows": reading_of(content).rows} == expected
    assert reading_of(content).end == (None if text.get("pool") == "last" else 3)
    names = [name for line in entries(content | {"custom_text": True}, ours) for name in line.theirs]
    assert len(names) == len(set(names)) and ("logit_bias" in names) == bool(model)
    assert ("visual.ln_pre.weight" in names) == (image.get("pre_norm", True))
