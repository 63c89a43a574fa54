"""OpenAI's own archives of CLIP, which say what they are by the shapes of their weights."""

from __future__ import annotations

import math
from typing import Any

from input_pipeline.errors import UserError
from vlp.interop.mapping import Tensors, count_of, shape_of
from vlp.interop.open_clip import CONFIG

ONLY = {"input_resolution", "context_length", "vocab_size"}  # what they alone hold beside their weights


def config_of(tensors: Tensors) -> dict[str, Any]:
    """Returns the `model_cfg` of one of OpenAI's archives, which say it by the shapes of their weights alone.

    Raises:
      ValueError: the weights are not named like theirs.
    """
    if not {"visual.conv1.weight", "text_projection", "token_embedding.weight"} <= tensors.keys():
        raise UserError(
            "the weights have no config beside them, and are not named like those of OpenAI's archives"
        )
    if not tensors.keys() >= ONLY:
        raise UserError(
            f"the weights have no {CONFIG} beside them, and are not OpenAI's own, which hold "
            f"{', '.join(sorted(ONLY))}: their shapes do not say whether the activation is GELU or QuickGELU, "
            f"how many heads there are and how images are normalised. Put the model's {CONFIG} beside them"
        )
    vision: dict[str, Any]
    if "visual.proj" in tensors:
        width, _, _, patch_size = shape_of(tensors, "visual.conv1.weight", 4)
        side = math.isqrt(shape_of(tensors, "visual.positional_embedding", 2)[0] - 1)
        depth = count_of(tensors, "visual.transformer.resblocks.")
        vision = {"layers": depth, "width": width, "patch_size": patch_size, "image_size": patch_size * side}
    else:
        stages = [count_of(tensors, f"visual.layer{stage}.") for stage in (1, 2, 3, 4)]
        side = math.isqrt(shape_of(tensors, "visual.attnpool.positional_embedding", 2)[0] - 1)
        width = shape_of(tensors, "visual.layer1.0.conv1.weight", 4)[0]
        vision = {"layers": stages, "width": width, "image_size": 32 * side}
    width, embed_dim = shape_of(tensors, "text_projection", 2)
    text = {
        "context_length": shape_of(tensors, "positional_embedding", 2)[0],
        "vocab_size": shape_of(tensors, "token_embedding.weight", 2)[0],
        "width": width,
        "heads": width // 64,
        "layers": count_of(tensors, "transformer.resblocks."),
    }
    return {"embed_dim": embed_dim, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}
