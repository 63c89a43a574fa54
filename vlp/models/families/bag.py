"""Bags of words and of n-grams: what their settings mean, split and cost."""

from __future__ import annotations

from typing import Any, ClassVar

from input_pipeline.errors import UserError
from vlp.models.families.base import Family, Unseen
from vlp.models.sizes import bag_size


class BagFamily(Family):
    """Kind 'bag': the mean of what words and n-grams are embedded as, and an MLP."""

    tower = "vlp.models.bag:BagOfWords"
    optional = ("ngrams", "buckets")
    unseen: ClassVar[Unseen] = {"mlp": ("activation", "ngrams")}

    def check(self, settings: Any, where: str) -> None:
        try:
            bag_size(settings)
        except ValueError as error:
            raise UserError(f"{where}: {error}") from error

    def forward_flops(self, settings: Any, inputs: int, embed_dim: int) -> int:
        size = bag_size(settings)  # look-ups and means cost no products, so the length is all the same
        return 2 * size.width * (2 * size.mlp_dim + embed_dim)
