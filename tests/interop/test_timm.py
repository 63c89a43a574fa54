"""Tiny towers of every kind that timm has for OpenCLIP, at random: ours of the same weights gives the same."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict

from vlp.interop import mapping, timm
from vlp.interop.assembled import model_config
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.families import family

torch = pytest.importorskip("torch", reason="torch is a peer, not a dependency")
theirs = pytest.importorskip("timm", reason="timm is a peer, not a dependency")
open_clip = pytest.importorskip("open_clip", reason="open_clip is a peer, not a dependency")

TINY = {"depth": 2, "embed_dim": 128, "num_heads": 2}
CLIP = {"timm_pool": "token", "timm_proj": None}
SIGLIP = {"timm_pool": "map", "timm_proj": "none"}
PERCEPTION = {"timm_pool": "map", "timm_proj": None}
TRUNK = {"timm_pool": "", "timm_proj": "linear"}
FAST = {"timm_pool": "avg", "timm_proj": None}
# What each stands for, its timm name, how open_clip uses it, the side of an image, and what makes it small.
KINDS: dict[str, tuple[str, dict[str, Any], int, dict[str, Any]]] = {
    "SigLIP": ("vit_base_patch16_siglip_224", SIGLIP, 64, TINY),
    "SigLIP, the tanh form": (
        "vit_giantopt_patch16_siglip_256", SIGLIP, 72, {"depth": 2, "embed_dim": 192, "num_heads": 2, "patch_size": 32}
    ),
    "a class token": ("vit_large_patch14_clip_224", CLIP, 56, TINY),
    "EVA": (
        "eva_giant_patch14_224", CLIP, 56, {"depth": 2, "embed_dim": 176, "num_heads": 2, "mlp_ratio": 3.0}
    ),
    "EVA-02": ("eva02_base_patch16_clip_224", CLIP, 64, TINY),
    "EVA-02-E": (
        "eva02_enormous_patch14_clip_224", CLIP, 56, {"depth": 2, "embed_dim": 224, "num_heads": 2, "mlp_ratio": 2.0}
    ),
    "a perception encoder": ("vit_pe_core_base_patch16_224", PERCEPTION, 64, {**TINY, "ref_feat_shape": 4}),
    "the largest perception encoder": (
        "vit_pe_core_gigantic_patch14_448", PERCEPTION, 56,
        {"depth": 2, "embed_dim": 192, "num_heads": 2, "ref_feat_shape": 4, "mlp_ratio": 5.0},
    ),
    "MobileCLIP-B": ("vit_base_mci_224", CLIP, 64, {"depth": 2}),
    "ViTamin": ("vitamin_small_224", TRUNK, 64, {"depth": 2}),
    "ViTamin without positions": ("vitamin_small_224", TRUNK, 64, {"depth": 2, "pos_embed": "none"}),
    "a mean": ("vit_medium_patch16_gap_256", TRUNK, 64, TINY),
    "a mean and two layers": ("vit_medium_patch16_gap_256", {"timm_pool": "", "timm_proj": "mlp"}, 64, TINY),
    "ConvNeXt": ("convnext_base", TRUNK, 64, {"depths": (2, 2, 2, 2), "dims": (16, 32, 64, 128)}),
    "the largest ConvNeXt": (
        "convnext_xxlarge", FAST, 64, {"depths": (2, 2, 2, 2), "dims": (16, 32, 64, 128), "ls_init_value": 0.1}
    ),
    "FastViT": (
        "fastvit_mci0", FAST, 96,
        {"layers": (2, 2, 2, 2), "embed_dims": (16, 32, 64, 128), "layer_scale_init_value": 0.5},
    ),
    "the later FastViT": (
        "fastvit_mci3", FAST, 96,
        {"layers": (2,) * 5, "embed_dims": (16, 32, 64, 128, 256), "layer_scale_init_value": 0.5},
    ),
}  # fmt: skip
SIDELESS = ("convnext", "fastvit")  # which are not told the side of an image


def tower(
    name: str, said: dict[str, Any], side: int, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """open_clip's image tower, small, with every parameter moved by chance."""
    create = theirs.create_model
    small = small if name.startswith(SIDELESS) else {**small, "img_size": side}
    monkeypatch.setattr(theirs, "create_model", lambda *args, **more: create(*args, **{**more, **small}))
    proj = {key.removeprefix("timm_"): value for key, value in said.items()}
    torch.manual_seed(0)
    model = open_clip.timm_model.TimmModel(
        name, 192 if proj["proj"] == "none" and "giant" in name else 128, **proj
    )
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                noise = 0.1 * torch.randn(tensor.shape)
                tensor.add_(noise.abs() if "running_var" in key else noise)
    return model.eval()


def read(name: str, said: dict[str, Any], side: int, tensors: dict[str, Any], embed_dim: int) -> Any:
    """Our image tower and projection of the weights."""
    vision = {"timm_model_name": name, "image_size": side, **said}
    image = timm.settings(vision, tensors, embed_dim)
    model = model_config({"embed_dim": embed_dim, "image": image})
    family("image", model.image).check(model.image, "model.image")
    unused = [key for key in tensors if key.endswith("num_batches_tracked")]
    leaves = mapping.read(timm.entries(model.image, tensors), tensors, unused)
    return built(model, leaves)


def built(model: ConfigDict, leaves: dict[str, Any]) -> Any:
    """The dual encoder without its text tower, of which every array is given."""
    abstract = nnx.eval_shape(
        lambda: DualEncoder(
            model, vocabulary_size=9, length=4, compute=Compute(), rngs=nnx.Rngs(0), towers=("image",)
        )
    )
    graphdef, state = nnx.split(abstract)
    wanted = mapping.flattened(nnx.to_pure_dict(state))
    assert {path: array.shape for path, array in wanted.items() if path != "logit_scale"} == {
        path: array.shape for path, array in leaves.items()
    }
    nnx.replace_by_pure_dict(state, mapping.nested({**leaves, "logit_scale": np.float32(0)}))
    return nnx.merge(graphdef, state)


def same(there: Any, name: str, said: dict[str, Any], side: int) -> None:
    """Compares what open_clip's tower gives with what ours of its weights does."""
    tensors = {f"visual.{key}": tensor.numpy() for key, tensor in there.state_dict().items()}
    pixels = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    with torch.no_grad():
        rows = there(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    rows = torch.nn.functional.normalize(rows).numpy()
    ours = read(name, said, side, tensors, rows.shape[1])
    found = jax.jit(lambda pixels: ours.encode_pixels(pixels))(pixels)
    assert np.abs(rows[0] - rows[1]).max() > 1e-3, "images that look alike prove nothing"
    np.testing.assert_allclose(found, rows, atol=1e-5)


@pytest.mark.parametrize(
    "kind",
    # MobileCLIP-B's width is in its name.
    [pytest.param(kind, marks=[pytest.mark.slow] if kind == "MobileCLIP-B" else []) for kind in KINDS],
)
def test_the_same_weights_say_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, said, side, small = KINDS[kind]
    same(tower(name, said, side, small, monkeypatch), name, said, side)


def test_branches_that_were_folded_before_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    name, said, side, small = KINDS["FastViT"]
    there = theirs.utils.reparameterize_model(tower(name, said, side, small, monkeypatch))
    assert any("reparam_conv" in key for key in there.state_dict())
    same(there, name, said, side)


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("swin_base_patch4_window7_224", TRUNK, "timm_model_name='swin_base_patch4_window7_224' is not supported"),
        ("vit_base_patch16_siglip_224", {**SIGLIP, "timm_pool": "avg"}, "timm_pool='avg' is not supported with"),
        ("vit_base_patch16_siglip_224", {"timm_pool": "", "timm_proj": None}, "timm_pool='' is not supported with"),
        ("vit_base_patch16_siglip_224", {**SIGLIP, "timm_proj": "attn"}, "timm_proj='attn' is not supported"),
        ("vit_large_patch14_clip_224", CLIP, "vit_large_patch14_clip_224 has no class token in these weights"),
    ],
)  # fmt: skip
def test_what_our_towers_do_not_have_is_refused(
    name: str, said: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tower("vit_base_patch16_siglip_224", SIGLIP, 64, TINY, monkeypatch)
    tensors = {f"visual.{key}": tensor.numpy() for key, tensor in there.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        read(name, said, 64, tensors, 128)
