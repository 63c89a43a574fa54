"""Transformer sizes by name, for both towers and any patch size."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class TowerSize:
    """The four numbers that make a transformer tower."""

    width: int
    depth: int
    heads: int
    mlp_dim: int


# ViT (arXiv 2010.11929, table 1), DeiT's Ti and S (2012.12877), shape-optimised So400m (2305.13035), H as in OpenCLIP.
SIZES: dict[str, TowerSize] = {
    "Ti": TowerSize(192, 12, 3, 768),
    "S": TowerSize(384, 12, 6, 1536),
    "B": TowerSize(768, 12, 12, 3072),
    "L": TowerSize(1024, 24, 16, 4096),
    "So400m": TowerSize(1152, 27, 16, 4304),
    "H": TowerSize(1280, 32, 16, 5120),
}


def tower_size(config: Any) -> TowerSize:
    """Returns the size a tower's config names, with every non-zero explicit number taking precedence.

    Args:
      config: has `size` (a key of SIZES, or '' for none), `width`, `depth`, `heads`, `mlp_dim` (0 = from the size).

    Raises:
      ValueError: the name is unknown, a number is missing, or the heads do not divide the width.
    """
    if config.size and config.size not in SIZES:
        raise ValueError(
            f"tower size {config.size!r} is not one of {', '.join(SIZES)} (or '' with explicit numbers)"
        )
    named = dataclasses.asdict(SIZES[config.size]) if config.size else {}
    chosen = {f.name: config[f.name] or named.get(f.name, 0) for f in dataclasses.fields(TowerSize)}
    missing = [name for name, value in chosen.items() if value <= 0]
    if missing:
        raise ValueError(f"tower without a size needs {', '.join(missing)} set to a positive number")
    if chosen["width"] % chosen["heads"]:
        raise ValueError(
            f"{chosen['heads']} heads do not divide width {chosen['width']}; change heads or width"
        )
    return TowerSize(**chosen)
