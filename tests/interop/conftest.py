"""Captions and pictures of every awkward kind, for comparisons with other projects' own code."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

ODD_TEXTS = (
    "",
    "   ",
    "A photo of a CAT, isn't it? (really!)",
    '"quoted" -- dashes; under_score & ampersand',
    "  leading and   inner\tspace\nand a line\r\n",
    "! leading punctuation",
    "don't we'll they're I'd 'S 'LL",
    "caf\u00e9 na\u00efve \u00dcber stra\u00dfe \u0130stanbul",
    "cafe\u0301 combining a\u0308\u0301 z\u0335",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \uff21\uff22\uff43 \uff76\uff9e",
    "\u043a\u043e\u0442 \u043d\u0430 \u0441\u0442\u043e\u043b\u0435",
    "\u0394\u03b9\u03ac\u03bb\u03bf\u03b3\u03bf\u03c2",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\U0001f98a \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea fox\U0001f98afox",
    "fish &amp; chips &lt;b&gt; &eacute; &#39; &amp;amp;",
    "curly \u201cquotes\u201d and \u2018single\u2019 \u2026 \u2014 \ufb01ne",
    "mojibake sch\u00c3\u00b6n \u00e2\u20ac\u0153x\u00e2\u20ac\u009d",
    "numbers 3.14 1,000 \u00bd \u00b2 \u2167 \u2460",
    "zero\u200bwidth soft\u00adhyphen nbsp\u00a0here bom\ufeff",
    "\u2581lower one eighth \u2581\u2581 blocks",
    "x" * 400,
    "very long caption " * 60,
    "\u6f22\u5b57" * 200,
)


@pytest.fixture(scope="session")
def captions(quickstart: Path) -> list[str]:
    """Every caption of the bundled validation splits in every language, and odd ones."""
    found = list(ODD_TEXTS)
    for split in ("val", "val_vendor"):
        rows = pq.read_table(quickstart / f"{split}.parquet", columns=["captions", "langs"]).to_pylist()
        for row in rows:
            found += row["captions"]
    return list(dict.fromkeys(found))


def picture(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """Smooth colours, sharp edges and noise."""
    dice, (width, height) = np.random.default_rng(seed), size
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=-1)
    blocks = ((rows // 7 + columns // 5) % 2 * 90)[..., None]
    noise = dice.integers(0, 40, (height, width, 3))
    return Image.fromarray(np.clip(smooth + blocks + noise - 60, 0, 255).astype(np.uint8))


def real_pictures(quickstart: Path, count: int) -> list[Image.Image]:
    images = pq.read_table(quickstart / "val.parquet", columns=["image"])["image"].slice(0, count).to_pylist()
    return [Image.open(io.BytesIO(image["bytes"] if isinstance(image, dict) else image)) for image in images]


@pytest.fixture(scope="session")
def pictures(quickstart: Path) -> dict[str, Image.Image]:
    """By name: odd sizes below and above any resolution here, all modes, real ones at several scales."""
    made = {f"{width}x{height}": picture((width, height)) for width, height in ODD_SIZES}
    for number, image in enumerate(real_pictures(quickstart, 6)):
        image = image.convert("RGB")
        made[f"real {number}"] = image
        made[f"real {number} larger"] = image.resize((311 + number, 203 - number), Image.Resampling.LANCZOS)
    base = picture((131, 90), seed=1)
    alpha = Image.fromarray(np.random.default_rng(2).integers(0, 256, (90, 131), np.uint8))
    transparent = base.copy()
    transparent.putalpha(alpha)
    palette = base.quantize(32)
    made |= {"L": base.convert("L"), "RGBA": transparent, "LA": transparent.convert("LA"), "P": palette}
    made |= {"1": base.convert("1"), "CMYK": base.convert("CMYK")}
    return made


ODD_SIZES = (
    (64, 64),
    (63, 64),
    (200, 133),
    (133, 200),
    (97, 301),
    (31, 17),
    (640, 37),
    (48, 48),
    (48, 95),
    (500, 499),
)
