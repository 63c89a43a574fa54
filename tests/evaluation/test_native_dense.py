"""Dense evaluators on images at their own aspect ratio: what a plain tower sees on squares, and grids of all shapes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from made import made

from configs import base
from input_pipeline.records import Region
from input_pipeline.views.frames import frame_of
from vlp.evaluation.cache import RememberingEncoder
from vlp.evaluation.dense.box_maps import BoxMaps
from vlp.evaluation.dense.co_segmented import CoSegmentation
from vlp.evaluation.dense.detection import Detection
from vlp.evaluation.dense.pixel_maps import PixelMaps
from vlp.evaluation.dense.region_search import RegionSearch
from vlp.evaluation.dense.relation_recall import RelationRecall
from vlp.evaluation.dense.segmentation import Dense
from vlp.model import Model
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder

NAMES = ("cat", "dog", "fox", "owl")
BOXES = ((0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5), (0.0, 0.5, 0.5, 1.0))
SEEN = {"resolution": 16, "resize": "squash", "mean": (0.5,) * 3, "std": (0.5,) * 3}
TINY = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}


def encode(texts: list[str], prefixes: object = None) -> tuple[np.ndarray, np.ndarray]:
    """Letters as tokens."""
    rows = [[ord(letter) % 50 for letter in text[-6:].rjust(6)] for text in texts]
    return np.array(rows, np.int32), np.ones((len(rows), 6), bool)


def encoder(kind: str) -> DualEncoder:
    config = base.get_config().model
    config.unlock()
    config.embed_dim = 8
    config.text.update(TINY)
    config.image.update(
        TINY, kind=kind, patch_size=4, resolution=16, pool="mean", registers=0, patch_dropout=0.0
    )
    if kind == "naflex":
        config.image.patches = 16
    return DualEncoder(config, vocabulary_size=50, length=6, compute=Compute(), rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """A plain tower and one of patches, with the same weights by the same paths."""
    towers = {kind: nnx.eval_shape(lambda kind=kind: encoder(kind)) for kind in ("vit", "naflex")}
    shapes = [nnx.to_pure_dict(nnx.state(one)) for one in towers.values()]
    assert jax.tree.structure(shapes[0]) == jax.tree.structure(shapes[1])
    dice = np.random.default_rng(3)
    variables = jax.tree.map(lambda x: dice.normal(0, 0.3, x.shape).astype(np.float32), shapes[0])
    shared = {"config": SimpleNamespace(), "tokenizer": SimpleNamespace(encode=encode)}
    return {
        kind: Model(
            nnx.graphdef(towers[kind]), variables, preprocessing={**SEEN, **more}, batch_size=8, **shared
        )
        for kind, more in (("vit", {}), ("naflex", {"patches": 16, "patch_size": 4}))
    }


def evaluation_set(model: Model, pictures: list[np.ndarray]) -> SimpleNamespace:
    frame = frame_of(model.preprocessing)
    images = [frame.packed(frame.resize(one, (0, 0, one.shape[1], one.shape[0]))) for one in pictures]
    masks = np.random.default_rng(2).integers(0, 5, (len(images), 16, 16), dtype=np.uint8)
    own = [[NAMES[(row + at) % 4] for at in range(3)] for row in range(len(images))]
    regions = tuple(
        tuple(Region(box, f"a {name}", name) for box, name in zip(BOXES, names, strict=True)) for names in own
    )
    return SimpleNamespace(
        images=np.stack(images),
        regions=regions,
        masks=masks,
        classes=NAMES,
        labels=tuple(NAMES[row % 4] for row in range(len(images))),
    )


EVALUATORS: list[tuple[type, dict[str, Any]]] = [
    (Dense, {"collages": 6, "enlarge": False, "labels": "verbatim"}),
    (CoSegmentation, {"collages": 6, "enlarge": False, "labels": "verbatim"}),
    (BoxMaps, {"labels": "verbatim", "gate": "cosines"}),
    (PixelMaps, {}),
    (RegionSearch, {"labels": "verbatim"}),
    (Detection, {"labels": "verbatim"}),
    (RelationRecall, {}),
]


def figures(model: Model, pictures: list[np.ndarray]) -> dict[str, float]:
    data, found = {"made": evaluation_set(model, pictures)}, {}
    for evaluator, settings in EVALUATORS:
        one = made(evaluator, data, sets=("made",), final=True, **settings)
        one.check()
        found |= one(RememberingEncoder(model))
        assert list(one.exhibits(RememberingEncoder(model))) or evaluator is RelationRecall
    return found


def test_on_squares_maps_and_figures_are_those_of_the_plain_tower_with_the_same_weights(models: Any) -> None:
    pictures = list(np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8))
    plain, native = (evaluation_set(models[kind], pictures).images for kind in ("vit", "naflex"))
    maps = models["vit"].scorer().maps(plain, ["a cat", "a dog"])
    own = models["naflex"].scorer().maps(native, ["a cat", "a dog"])
    assert isinstance(own, list) and maps.std() > 0.01
    np.testing.assert_allclose(np.stack(own), maps, atol=1e-5)
    expected, found = (figures(models[kind], pictures) for kind in ("vit", "naflex"))
    assert found == pytest.approx(expected, abs=1e-6)
    assert len({round(value, 3) for value in found.values()}) > 8


def test_maps_of_other_shapes_are_on_the_grids_of_their_images(models: Any) -> None:
    dice, model = np.random.default_rng(1), models["naflex"]
    sizes = [(8, 32), (32, 8), (16, 16), (12, 20)] * 2
    pictures = [dice.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    data = evaluation_set(model, pictures)
    maps = model.scorer().maps(data.images, list(NAMES))
    assert [one.shape[1:] for one in maps] == [tuple(grid) for grid in data.images["grid"].tolist()]
    assert maps[0].shape == (4, 2, 8) and maps[1].shape == (4, 8, 2)
    one = made(BoxMaps, {"made": data}, sets=("made",), labels="verbatim", templates="plain")
    texts = model.encode_text(list(NAMES))
    hits = []
    for at, (cells, regions) in enumerate(
        zip(model.encode_patch_array(data.images), data.regions, strict=True)
    ):
        rows, columns = data.images["grid"][at]
        for region in sorted(regions, key=lambda region: region.label):
            place = (cells @ texts[NAMES.index(region.label)]).argmax()
            down, across = (place // columns + 0.5) / rows, (place % columns + 0.5) / columns
            left, top, right, bottom = region.box
            hits.append(float(left <= across < right and top <= down < bottom))
    (pointing,) = one.outcomes(RememberingEncoder(model)).values()
    assert pointing.tolist() == hits and 0 < sum(hits) < len(hits)
    assert all(np.isfinite(value) for value in figures(model, pictures).values())
