"""Transformers over patches of images at their own aspect ratio: what their settings mean, split and cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from input_pipeline.errors import UserError
from vlp.models.families.base import Unseen
from vlp.models.families.transformers import IN_BLOCKS, TransformerFamily, checked_size
from vlp.models.flops import image_tower_flops
from vlp.models.sizes import tower_size


class NaFlexFamily(TransformerFamily):
    """Kind 'naflex': a transformer over at most `patches` patches of an image at its own aspect ratio."""

    tower = "vlp.models.naflex:NaFlexTransformer"
    optional = (
        "heads",
        "mlp_dim",
        "patch_size",
        "patches",
        "pool",
        "project_query",
        "layer_scale",
        "drop_path",
    )
    unseen: ClassVar[Unseen] = {"transformer": ("heads", "activation", "norm_eps", "pool")}

    def check(self, settings: Any, where: str) -> None:
        checked_size(settings, where)
        if settings.patches < 1:
            raise UserError(
                f"{where}.patches={settings.patches}: kind 'naflex' needs how many patches an image has at most, such "
                "as 256"
            )
        if settings.pool.startswith("class"):
            raise UserError(
                f"{where}.pool='{settings.pool}' needs a class token, which kind 'naflex' has not: use 'attention' or "
                "'mean'"
            )
        if settings.resolution % settings.patch_size:
            raise UserError(
                f"{where}.resolution={settings.resolution} is not a multiple of patch_size={settings.patch_size}: it "
                "is that of the grid which positions are learned for"
            )

    def check_view(self, settings: Any, resolution: int, where: str) -> None:
        if resolution:
            raise UserError(
                f"{where}={resolution}: views of a tower of kind 'naflex' have model.image.patches={settings.patches} "
                "patches; leave it at 0"
            )

    def arrays(self, settings: Any, resolution: int) -> Mapping[str, tuple[tuple[int, ...], str]]:
        del resolution
        return {"": ((settings.patches, settings.patch_size**2, 3), "uint8"), "_grid": ((2,), "int32")}

    def rows(self, settings: Any, inputs: int, path: str) -> int:
        del inputs
        return settings.patches if path == "patch_embedding" or IN_BLOCKS.search(path) else 1

    def forward_flops(self, settings: Any, inputs: int, embed_dim: int) -> int:
        """Counts padding in full, for it is computed, and the resampling of positions."""
        size, patches = tower_size(settings), settings.patches
        grid = (settings.resolution // settings.patch_size) ** 2
        del inputs
        return 2 * patches * grid * size.width + image_tower_flops(
            patches=patches,
            patch_dim=3 * settings.patch_size**2,
            tokens=patches,
            width=size.width,
            depth=size.depth,
            mlp_dim=size.mlp_dim,
            embed_dim=embed_dim,
            attention_pool=settings.pool == "attention",
        )
