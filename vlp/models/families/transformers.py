"""Transformers over patches and over tokens: what their settings mean, split and cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from input_pipeline.errors import UserError
from vlp.models.families.base import Family, Unseen
from vlp.models.families.stems import check_stem, stem_flops, stem_rows
from vlp.models.flops import image_tower_flops, text_tower_flops
from vlp.models.sizes import TowerSize, tower_size

# Layers that see every token; those of an attention pool see one query, but for keys and values.
IN_BLOCKS = re.compile(r"(^|/)blocks/|attention_pool/key_value$")


def checked_size(settings: Any, where: str) -> TowerSize:
    """Returns a transformer's size.

    Raises:
      ValueError: it has none, named by where its settings stand.
    """
    try:
        return tower_size(settings)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


class TransformerFamily(Family):
    """Holds what both towers of transformers have in common."""

    begins: ClassVar[Mapping[str, str]] = {"layer_scale": "layer_scale"}

    def check(self, settings: Any, where: str) -> None:
        checked_size(settings, where)

    def split(self, settings: Any) -> Mapping[str, int]:
        size = tower_size(settings)
        return {"heads": size.heads, "mlp_dim": size.mlp_dim}

    def head_size(self, settings: Any) -> int:
        size = tower_size(settings)
        sizes = {size.width // heads for heads in (size.heads, size.last_heads or size.heads)}
        return max(sizes, key=lambda one: (one % 8 > 0, one))  # what a kernel finds hardest


class VisionTransformerFamily(TransformerFamily):
    """Kind 'vit': a transformer over patches."""

    tower = "vlp.models.vision:VisionTransformer"
    abilities = ("hidden_patches", "layers")
    optional = (
        "heads",
        "mlp_dim",
        "patch_size",
        "position",
        "pool",
        "registers",
        "patch_dropout",
        "pre_norm",
        "norm_after_pool",
        "class_position",
        "project_query",
        "layer_scale",
        "drop_path",
        "last_heads",
        "prompts",
        "top_blocks",
        "stem",
        "stem_width",
        "rotary_base",
        "rotary_grid",
        "rotary_first",
        "gated",
        "sub_norm",
        "branch_norm",
        "pool_heads",
        "pool_mlp_dim",
        "pool_prefix",
    )
    unseen: ClassVar[Unseen] = {
        "transformer": (
            "heads",
            "last_heads",
            "pool_heads",
            "activation",
            "norm_eps",
            "norm_after_pool",
            "branch_norm",
            "pool",
            "pool_prefix",
            "position",
            "rotary_base",
            "rotary_grid",
            "rotary_first",
        )
    }

    def check(self, settings: Any, where: str) -> None:
        size, patch = checked_size(settings, where), settings.patch_size
        if settings.resolution % patch and not settings.drop_rest:
            lower = settings.resolution - settings.resolution % patch
            raise UserError(
                f"{where}.resolution={settings.resolution} is not a multiple of patch_size={patch}: "
                f"use {lower or patch} or {lower + patch}"
            )
        patches = (settings.resolution // patch) ** 2
        if round(patches * (1 - settings.patch_dropout)) < 1:
            raise UserError(
                f"{where}.patch_dropout={settings.patch_dropout} keeps none of {patches} patches: "
                f"use at most {1 - 1 / patches:.3f}"
            )
        if settings.get("norm_after_pool") and (settings.pool != "mean" or settings.top_blocks):
            raise UserError(
                f"{where}.norm_after_pool=True is the norm of a mean: it needs pool='mean' and top_blocks=0, not "
                f"pool='{settings.pool}' and top_blocks={settings.top_blocks}"
            )
        layers = settings.get("prompt_layers", 0)
        if layers > size.depth or (layers and not settings.prompts):
            raise UserError(
                f"{where}.prompt_layers={layers} are the first of {size.depth} layers that have prompts, and there are "
                f"prompts={settings.prompts} in each: use at most {size.depth}, and 0 without prompts"
            )
        if settings.position == "sincos2d" and size.width % 4:
            raise UserError(f"{where}: position 'sincos2d' needs a width that 4 divides, not {size.width}")
        check_stem(settings, where)
        _check_unread(settings, where)
        if settings.pool_heads and size.width % settings.pool_heads:
            raise UserError(f"{where}.pool_heads={settings.pool_heads} do not divide width {size.width}")
        if "rotary2d" in settings.position and (size.width // size.heads % 4 or size.last_heads):
            raise UserError(
                f"{where}: position '{settings.position}' needs heads of a multiple of 4 numbers, all of one size: "
                f"these have {size.width // size.heads}, and last_heads={size.last_heads}"
            )

    def check_view(self, settings: Any, resolution: int, where: str) -> None:
        if resolution % settings.patch_size:
            raise UserError(
                f"{where}={resolution} is not a multiple of model.image.patch_size={settings.patch_size}: use a "
                "multiple, or 0 for the model's own"
            )

    def rows(self, settings: Any, inputs: int, path: str) -> int:
        kept, tokens = _patches_and_tokens(settings, inputs)
        if path == "patch_embedding":
            return kept
        if path.startswith("stem/"):
            return stem_rows(inputs, path.split("/")[1:])
        return tokens if IN_BLOCKS.search(path) else 1

    def forward_flops(self, settings: Any, inputs: int, embed_dim: int) -> int:
        size, (kept, tokens) = tower_size(settings), _patches_and_tokens(settings, inputs)
        stem = settings.get("stem", "")
        before = stem_flops(stem, settings.stem_width, inputs, size.width) if stem else 0
        return before + image_tower_flops(
            patches=0 if stem else kept,
            patch_dim=3 * settings.patch_size**2,
            tokens=tokens,
            width=size.width,
            depth=size.depth + settings.get("top_blocks", 0),
            mlp_dim=size.mlp_dim,
            embed_dim=embed_dim * (1 + (settings.pool == "class_mean")),
            attention_pool=settings.pool == "attention",
            gated=size.gated,
            pool_mlp_dim=settings.get("pool_mlp_dim", 0),
        )


def _check_unread(settings: Any, where: str) -> None:
    """Refuses what has a meaning only beside another setting, which is off."""
    rotary, pool = "rotary2d" in settings.position, settings.pool == "attention"
    groups: dict[str, tuple[bool, dict[str, Any]]] = {
        "a stem": (bool(settings.stem), {"stem_width": 0}),
        "rotary positions": (rotary, {"rotary_base": 100.0, "rotary_grid": 0, "rotary_first": 0}),
        "pool='attention'": (pool, {"pool_heads": 0, "pool_mlp_dim": 0, "pool_prefix": False}),
    }
    for needed, (there, names) in groups.items():
        for name, off in names.items():
            if not there and settings[name] != off:
                raise UserError(
                    f"{where}.{name}={settings[name]} is for {needed}, which is off: leave it at {off}"
                )


def _patches_and_tokens(settings: Any, inputs: int) -> tuple[int, int]:
    """How many patches training keeps, and how many tokens the blocks see with what stands before them."""
    kept = round((inputs // settings.patch_size) ** 2 * (1 - settings.patch_dropout))
    return kept, kept + settings.registers + settings.pool.startswith("class") + settings.get("prompts", 0)


class TextTransformerFamily(TransformerFamily):
    """Kind 'transformer': a transformer over token ids."""

    tower = "vlp.models.text:TextTransformer"
    abilities = ("soft_tokens",)
    optional = (
        "heads",
        "depth",
        "causal",
        "pool",
        "attend_padding",
        "project_query",
        "layer_scale",
        "post_norm",
        "context",
    )
    unseen: ClassVar[Unseen] = {
        "transformer": ("heads", "activation", "norm_eps", "causal", "attend_padding", "post_norm", "pool"),
        "context": ("context_place", "context_head", "context_tail"),
    }
    begins: ClassVar[Mapping[str, str]] = {**TransformerFamily.begins, "context": "context_words"}

    def lacks(self, settings: Any, ability: str) -> str:
        # Learned vectors stand where soft tokens would.
        return super().lacks(settings, ability) or ("context" if settings.context else "")

    def check(self, settings: Any, where: str) -> None:
        checked_size(settings, where)
        if settings.pool == "first" and settings.causal:
            raise UserError(
                f"{where}.pool='first' reads a token that sees nothing behind it in a causal tower: "
                f"set {where}.causal=False or use pool='end'"
            )

    def rows(self, settings: Any, inputs: int, path: str) -> int:
        return inputs if IN_BLOCKS.search(path) else 1

    def forward_flops(self, settings: Any, inputs: int, embed_dim: int) -> int:
        size = tower_size(settings)
        return text_tower_flops(
            tokens=inputs,
            width=size.width,
            depth=size.depth,
            mlp_dim=size.mlp_dim,
            embed_dim=embed_dim,
            attention_pool=settings.pool == "attention",
        )
