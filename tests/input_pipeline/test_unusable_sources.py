"""Sources of which nothing can be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_fields import PAIR, Draw, draw, labelled, two_sources

__all__ = ["draw", "labelled"]


def test_sources_of_which_nothing_can_be_used_are_refused_at_once(
    draw: Draw, labelled: Path, tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    for number in range(3):
        (tmp_path / "classes" / "cat").mkdir(parents=True, exist_ok=True)
        pixels = np.full((9, 9, 3), 80 * number, np.uint8)
        (tmp_path / "classes" / "cat" / f"{number}.png").write_bytes(encode(pixels))
    folder = {"format": "folder", "path": str(tmp_path / "classes"), "weight": 1.0}
    advice = r"source 'b': none of 3 .*3 no_caption.*labels, such as 'cat'.*sources\.b\.templates="
    with pytest.raises(ValueError, match=advice):
        draw(*PAIR, sources={**two_sources(labelled), "b": folder})
    draw(*PAIR, sources={"b": {**folder, "templates": ("a {}",)}})
    draw("image", sources={"b": folder})
    with pytest.raises(ValueError, match=r"source 'b': none of 9 .*name the column of captions"):
        draw("text", sources=two_sources(labelled, columns={"captions": "", "label": ""}))
    for file in (tmp_path / "classes" / "cat").iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"none of 3 records looked at can be used \(3 undecodable\)"):
        draw("image", sources={"b": folder})
    with pytest.raises(ValueError, match="source 'b': there is no file"):
        draw("image", sources=two_sources(labelled, tmp_path / "nowhere.parquet"))
