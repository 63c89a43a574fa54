"""Findings with an exhibit of every type, on bundled pictures, and with texts that mean harm."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet
from PIL import Image

from vlp.evaluation import Findings
from vlp.evaluation.exhibits import (
    Bars,
    Confusion,
    Map,
    Reliability,
    ScoreMap,
    ScoreMaps,
    Search,
    Searches,
    Table,
)

HARM = "<script>document.title='taken'</script><img src=x onerror=alert(1)>\" onload='x' & \x00\ud800 مرحبا"
PICTURES = Path(__file__).resolve().parents[2] / "data" / "quickstart" / "val.parquet"


def pictures(count: int) -> list[np.ndarray]:
    """The first ones of the bundled validation set."""
    rows = pyarrow.parquet.read_table(PICTURES, columns=["image"])["image"][:count].to_pylist()
    return [np.asarray(Image.open(io.BytesIO(row)).convert("RGB")) for row in rows]


def class_names(count: int) -> list[str]:
    words = ["kitchen", "fruit", "sea animal", "living room furniture", "weather", "tool", "music", "vehicle"]
    return [f"{words[row % 8]} {row // 8 + 1}" for row in range(count)]


def confusion(classes: int, seed: int = 0) -> Confusion:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.15, (classes, classes)) + np.diag(rng.poisson(6, classes))
    counts[0, 1], counts[3, 0] = 14, 9
    return Confusion("Confusion of classes in val", class_names(classes), counts)


def bars(count: int) -> Bars:
    rng = np.random.default_rng(1)
    return Bars(
        "Accuracy by class in val",
        class_names(count),
        rng.beta(1, 2, count),
        rng.integers(3, 40, count),
    )


def searches(query: str = "a red apple on a wooden table, drawn in a flat style") -> Searches:
    rng, shown = np.random.default_rng(2), pictures(14)
    right = rng.random((3, 10)) < 0.3
    scores = -np.sort(-rng.normal(0.3, 0.1, (3, 10)), axis=1)
    captions = [f"{name}, seen from the side" for name in class_names(5)]
    return Searches(
        "Captions and the images found for them, val",
        [
            Search(query, shown[:10], right[0], scores[0]),
            Search("ein Fahrrad vor einem Haus", shown[4:], right[1], scores[1]),
            Search(shown[13], captions, right[2, :5], scores[2, :5], about=query),
        ],
    )


def score_maps(text: str = "a bird") -> ScoreMaps:
    rng, shown = np.random.default_rng(3), pictures(4)
    texts = {0: (text, "a pig", "a tail"), 1: ("a chain",), 2: ("the moon",), 3: ("ice cream",)}
    maps = [
        ScoreMap(shown[row], one, rng.normal(0.2, 0.05, (8, 8))) for row, own in texts.items() for one in own
    ]
    return ScoreMaps("Where the text is, on collages of val", maps)


def reliability() -> Reliability:
    rng = np.random.default_rng(5)
    confidence = rng.random(300)
    return Reliability("How sure and how right, val", confidence, rng.random(300) < confidence**2)


def map_of(name: str) -> Map:
    rng = np.random.default_rng(6)
    names = [name, *class_names(8)]
    return Map("Where images of val lie", rng.normal(size=(90, 2)), [names[row % 9] for row in range(90)])


def findings(*, text: str = "a bird", classes: int = 60) -> Findings:
    """As an evaluator of two sets would find them."""
    rng = np.random.default_rng(4)
    figures, chance, outcomes = {}, {}, {}
    for one, size, level in (("val_vendor", 402, 0.3), ("val", 201, 0.08)):
        for figure, factor in (("top1", 1.0), ("top5", 2.5)):
            name = f"zero_shot/{one}/{figure}"
            outcomes[name] = (rng.random(size) < level * factor).astype(float)
            figures[name], chance[name] = float(outcomes[name].mean()), 0.014 * factor
        figures[f"retrieval/{one}/text_to_image/recall@10"] = level
        figures[f"retrieval/{one}/text_to_image/median_rank"] = 35.0
        chance[f"retrieval/{one}/text_to_image/median_rank"] = 101.0
    table = Table(
        "Languages", ["language", "captions", "recall@10"], [["en", "3,001", "31.0%"], [text, "12", "9.1%"]]
    )
    wide = Table("A wide table", [f"column {n}" for n in range(14)], [[f"cell {n}" for n in range(14)]] * 3)
    shown = {
        "zero_shot": [
            *(confusion(classes), bars(classes), bars(9), score_maps(text)),
            *(reliability(), map_of(text)),
        ],
        "retrieval": [searches(text), searches(), table, wide],
    }
    return Findings(figures, chance, outcomes, shown)
