"""Evaluators on regions that are known: models that know everything, or nothing, and COCO's own counting."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from made import made

from input_pipeline.errors import UserError
from input_pipeline.images_on_demand import ImagesOnDemand
from input_pipeline.records import Region
from input_pipeline.views.frames import Squares
from vlp import scoring
from vlp.evaluation.cache import RememberingEncoder
from vlp.evaluation.dense.box_maps import BoxMaps, false_positives, said_of, threshold
from vlp.evaluation.dense.box_precision import average_precision, hits
from vlp.evaluation.dense.detection import Detection, precisions
from vlp.evaluation.dense.known_regions import KnownRegions, cells_of, covered
from vlp.evaluation.dense.pixel_maps import PixelMaps, enlarged
from vlp.evaluation.dense.region_search import RegionSearch, hit_chance
from vlp.evaluation.dense.relation_recall import RelationRecall, kinds_of, recall
from vlp.evaluation.exhibits import BoxedPicture, Boxes
from vlp.evaluation.page.boxes import draw_boxes
from vlp.evaluation.page.pictures import SIDE, Album
from vlp.scoring import Cosines, cropped

NAMES = ("cat", "dog", "fox", "owl")
LEFT, RIGHT, LOW = (0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5), (0.0, 0.5, 0.5, 1.0)


def regions_of(number):
    """Two or three regions of different names, and a quadrant that is background."""
    own = [NAMES[(number + at) % 4] for at in range(3)]
    places = (LEFT, RIGHT, LOW)[: 2 + number % 2]
    return tuple(Region(box, f"a {name}", name) for box, name in zip(places, own, strict=False))


@pytest.fixture
def data():
    regions = tuple(regions_of(number) for number in range(8))
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
    return {"made": SimpleNamespace(images=images, regions=regions)}


class Model:
    """Sees what is there: `sharp` says how far that is above the noise of everything else."""

    def __init__(self, data, sharp=5.0):
        self.sharp, self.dice = sharp, np.random.default_rng(1)
        self.known = {image.tobytes(): own for image, own in zip(data.images, data.regions, strict=True)}

    def scorer(self, name=""):
        del name
        return self

    def noise(self, *shape):
        return self.dice.uniform(0, 1, shape).astype(np.float32)

    def score(self, images, texts, *, prefix=""):
        scores = self.noise(len(images), len(texts))
        for row, image in zip(scores, images, strict=True):
            row += [
                self.sharp * any(one.label in text for one in self.known[image.tobytes()]) for text in texts
            ]
        return scores

    def maps(self, images, texts, *, prefix=""):
        scores = self.noise(len(images), len(texts), 4, 4)
        for row, image in zip(scores, images, strict=True):
            for one in self.known[image.tobytes()]:
                inside = cells_of(np.array([one.box], np.float32), (4, 4))[0]
                for column, text in zip(row, texts, strict=True):
                    column += self.sharp * inside * (one.label in text)
        return scores

    def regions(self, images, boxes, texts, *, prefix=""):
        scores = self.noise(*boxes.shape[:2], len(texts))
        for row, image in zip(scores, images, strict=True):
            for at, one in enumerate(self.known[image.tobytes()]):
                row[at] += [self.sharp * (one.label in text) for text in texts]
        return scores

    def detect(self, images, texts, *, prefix=""):
        boxes, scores = np.zeros((len(images), 5, 4), np.float32), self.noise(len(images), 5, len(texts))
        for at, image in enumerate(images):
            for place, one in enumerate(self.known[image.tobytes()]):
                boxes[at, place] = one.box
                scores[at, place] += [self.sharp * (one.label in text) for text in texts]
        return boxes, scores

    def relate(self, images, boxes, names, texts):
        assert all(name in ("", *(f"a {one}" for one in NAMES)) for own in names for name in own)
        scores = self.noise(len(images), boxes.shape[1] * (boxes.shape[1] - 1), len(texts))
        for row, own in zip(scores, boxes, strict=True):
            row += self.sharp * np.eye(8)[kinds_of(own, np.ones(len(own), bool))]
        return scores


def figures_of(evaluator, data, **settings):
    one = made(evaluator, data, sets=("made",), final=True, **settings)
    found, chance = one(RememberingEncoder(Model(data["made"]))), one.chance()
    assert set(chance) <= set(found)
    assert all(chance[name] < found[name] for name in chance)
    one.check()
    list(one.exhibits(RememberingEncoder(Model(data["made"]))))
    return {name.rpartition("/")[2]: value for name, value in found.items()}


def test_a_model_that_sees_every_region_right_has_every_figure_right(data):
    assert figures_of(RegionSearch, data, labels="verbatim") == {
        "accuracy": 1.0,
        "recall_at_1": 1.0,
        "recall_at_5": 1.0,
    }
    found = figures_of(Detection, data, part="some", labels="verbatim")
    assert found == {"mean_average_precision_50": pytest.approx(1.0), "found": 1.0}
    assert figures_of(RelationRecall, data, part="some", nearest=6) == {"recall_at_6": 1.0, "accuracy": 1.0}


def test_bars_show_the_share_of_a_names_regions_that_is_right(data):
    one = made(RegionSearch, data, sets=("made",), final=True, labels="verbatim")
    (bars,) = one.exhibits(RememberingEncoder(Model(data["made"])))
    counts = Counter(region.label for own in data["made"].regions for region in own)
    assert dict(zip(bars.names, bars.counts.tolist(), strict=True)) == counts
    np.testing.assert_array_equal(bars.shares, 1.0)
    (blind,) = one.exhibits(RememberingEncoder(Model(data["made"], sharp=0.0)))
    hits = blind.shares * blind.counts
    np.testing.assert_allclose(hits, np.round(hits), atol=1e-9)
    assert 0 < hits.sum() < blind.counts.sum()


def test_maps_have_background_and_a_gate_takes_false_positives_away(data):
    plain = figures_of(BoxMaps, data, labels="verbatim", gate="some", recall=1.0)
    assert plain["pointing"] == plain["mean_iou"] == plain["mean_iou_gated"] == 1.0
    assert plain["mean_iou_with_background"] == pytest.approx(1.0)
    assert plain["false_positives"] > 0.5 and plain["false_positives_gated"] == 0.0
    strict = figures_of(BoxMaps, data, labels="verbatim", background=9.0)
    assert strict["mean_iou_with_background"] < 0.2 and "mean_iou_gated" not in strict


def test_no_image_is_read_to_check_a_set_of_which_a_part_has_regions(data):
    read = []

    def load(row):
        read.append(row)
        return data["made"].images[row]

    images, regions = ImagesOnDemand(load, range(8), Squares(8), 1), ((), *data["made"].regions[1:])
    part = {"made": SimpleNamespace(images=images, regions=regions)}
    for evaluator in (BoxMaps, RegionSearch, Detection, RelationRecall):
        made(evaluator, part, sets=("made",)).check()
    assert not read
    assert figures_of(BoxMaps, part, labels="verbatim")["pointing"] == 1.0
    assert figures_of(RegionSearch, part, labels="verbatim")["accuracy"] == 1.0
    assert read


def test_pointing_counts_any_own_box_that_another_covers(data):
    """A cat's two boxes, one of them within a dog's that comes later."""
    inner = (0.25, 0.25, 0.5, 0.5)
    regions = (Region(inner, "", "cat"), Region(RIGHT, "", "cat"), Region((0.0, 0.0, 0.5, 1.0), "", "dog"))
    covered_cat = {"made": SimpleNamespace(images=data["made"].images[:1], regions=(regions,))}
    evaluator = made(BoxMaps, covered_cat, sets=("made",), final=True, labels="verbatim")
    assert evaluator.chance()[f"{evaluator.name}/made/pointing"] == pytest.approx((0.25 + 1 / 16 + 0.5) / 2)
    model = Model(covered_cat["made"])
    maps = np.zeros((1, 2, 4, 4), np.float32)
    maps[0, :, 1, 1] = 1.0
    model.maps = lambda images, texts, prefix="": np.repeat(maps, len(texts) // 2, axis=1)
    assert evaluator.outcomes(RememberingEncoder(model))[f"{evaluator.name}/made/pointing"].tolist() == [
        1.0,
        1.0,
    ]
    assert covered(np.array([LEFT, inner, RIGHT], np.float32)) == 0.5


def test_cells_behind_the_gate_are_given_to_no_name():
    maps = np.full((3, 8), -np.inf)
    maps[2, 4:7] = 1.0
    assert said_of(maps).tolist() == [3, 3, 3, 3, 2, 2, 2, 3]
    shown = np.array([[False, True, False], [True, False, False]])
    assert false_positives(maps, np.repeat([0, 1], 4), shown) == 1 / 4
    assert threshold(np.array([0.7, 0.9, 0.8]), 0.5) == 0.8, "two of three are more than half"


def test_a_box_ends_before_its_right_and_lower_edge():
    boxes = np.array(
        [[0.0, 0.0, 0.125, 0.375], [0.125, 0.375, 1.0, 1.0]], np.float32
    )  # through middles of cells
    first, second = cells_of(boxes, (4, 4))
    assert not first.any() and second[1:, 0].all() and not second[0].any() and second.sum() == 12
    apart = np.array([[0.0, 0.0, 1.0, 0.25], [0.0, 0.5, 1.0, 0.75]], np.float32)
    assert covered(apart) == covered(apart[:, [1, 0, 3, 2]]) == 0.5


def test_pixels_are_of_the_class_whose_map_is_highest(data):
    masks = np.zeros((8, 8, 8), np.uint8)
    for mask, own in zip(masks, data["made"].regions, strict=True):
        for one in own:
            mask[cells_of(np.array([one.box], np.float32), (8, 8))[0]] = 1 + NAMES.index(one.label)
    masks[:, 0, 0] = 255
    own = SimpleNamespace(**vars(data["made"]), masks=masks, classes=NAMES)
    found = figures_of(PixelMaps, {"made": own})
    assert found["mean_iou"] > 0.8 and found["pixel_accuracy"] > 0.9
    ramp = enlarged(np.array([[[0.0, 1.0], [0.0, 1.0]]]), 4)
    np.testing.assert_allclose(ramp[0], [[0.0, 0.25, 0.75, 1.0]] * 4)
    with pytest.raises(UserError, match="no masks"):
        made(PixelMaps, {"made": SimpleNamespace(masks=None)}, sets=("made",)).check()


def test_what_lacks_regions_or_parts_is_refused(data):
    bare = {"made": SimpleNamespace(images=data["made"].images, regions=((),) * 8)}
    with pytest.raises(UserError, match="no region with a label"):
        made(BoxMaps, bare, sets=("made",)).check()
    with pytest.raises(UserError, match="8 directions"):
        made(RelationRecall, data, predicates=("left",))


def test_of_an_images_pairs_those_are_asked_that_are_surest_of_something():
    scores = np.array(
        [[0.9, -0.9], [0.5, 0.4], [0.7, 0.0]]
    )  # the surest are 0 and 2, whatever else they are not
    assert recall(scores, np.array([0, 1, 0]), 2) == pytest.approx(2 / 3)
    assert recall(scores, np.array([1, 0, 0]), 1) == 0.0


def test_chance_of_a_search_is_that_of_a_random_order():
    dice = np.random.default_rng(0)
    for regions, about, nearest in ((10, 1, 1), (10, 3, 5), (4, 2, 5)):
        orders = np.array([dice.permutation(regions)[:nearest] for _ in range(4000)])
        assert hit_chance(regions, about, nearest) == pytest.approx((orders < about).any(1).mean(), abs=0.03)


def test_average_precision_is_cocos(data):
    coco = pytest.importorskip("pycocotools.coco")
    evaluate = pytest.importorskip("pycocotools.cocoeval")
    dice = np.random.default_rng(0)
    images, most, found = 12, 5, 9
    real = boxes_of(dice, images, most)
    there = np.arange(most) < dice.integers(1, most + 1, (images, 1))
    kinds = np.where(there, dice.integers(0, 3, (images, most)), -1)
    boxes = boxes_of(dice, images, found)
    near = real[:, :most] + dice.normal(0, 0.04, real.shape)
    boxes[:, :most] = np.sort(near.reshape(images, most, 2, 2), axis=2).reshape(near.shape)
    scores = dice.uniform(size=(images, found, 3))
    known = KnownRegions(data["made"].images, real * there[..., None], there, kinds, ["a", "b", "c"])
    own = precisions(boxes, scores, known)

    def wide(box):
        return [*(100 * box[:2]), *(100 * (box[2:] - box[:2]))]

    truth = [
        {"image_id": image, "category_id": int(kinds[image, at]), "bbox": wide(real[image, at]), "iscrowd": 0}
        for image, at in zip(*np.nonzero(there), strict=True)
    ]
    for at, one in enumerate(truth):
        one |= {"id": at + 1, "area": one["bbox"][2] * one["bbox"][3]}
    said = [
        {"image_id": i, "category_id": c, "bbox": wide(boxes[i, q]), "score": float(scores[i, q, c])}
        for i in range(images)
        for q in range(found)
        for c in range(3)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        content = coco.COCO()
        content.dataset = {
            "info": {},
            "images": [{"id": image} for image in range(images)],
            "categories": [{"id": kind} for kind in range(3)],
            "annotations": truth,
        }
        content.createIndex()
        counted = evaluate.COCOeval(content, content.loadRes(said), "bbox")
        counted.params.iouThrs = np.array([0.5])
        counted.evaluate()
        counted.accumulate()
    expected = counted.eval["precision"][0, :, :, 0, -1].mean(axis=0)
    np.testing.assert_allclose(own, expected, atol=1e-9)
    assert own.min() > 0.05 and own.max() < 0.95


def boxes_of(dice, images, count):
    start = dice.uniform(0, 0.6, (images, count, 2))
    return np.concatenate([start, start + dice.uniform(0.1, 0.4, (images, count, 2))], axis=2)


def test_a_real_box_is_found_once():
    real = np.array([[0.0, 0.0, 0.4, 0.4]])
    assert hits(np.array([[0.0, 0.0, 0.4, 0.38], [0.0, 0.0, 0.4, 0.4]]), real).tolist() == [True, False]
    assert average_precision(np.array([False]), np.array([0.4]), 3) == 0.0


def test_boxes_are_drawn_where_they_are_and_crops_show_what_lies_in_them():
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4, 4:] = 200
    exhibit = Boxes("some", [BoxedPicture(picture, np.array([RIGHT, (0.3, 0.3, 0.3, 0.3)]), ["dog", "no"])])
    album = Album()
    page = str(draw_boxes(exhibit, album))
    assert "dog, no" in page and album.pictures == 1 and SIDE > 8
    part = cropped(picture, np.array(RIGHT, np.float32))[2:6, 2:6]
    np.testing.assert_allclose(part.astype(int), 200, atol=12)  # bicubic, which goes a little beyond
    assert (cropped(picture, np.zeros(4, np.float32)) == picture).all()


def test_crops_of_few_images_exist_at_a_time(monkeypatch):
    counts = []

    def encode(crops):
        counts.append(len(crops))
        return crops.reshape(len(crops), -1).astype(np.float32)

    texts = np.random.default_rng(0).normal(size=(12, 192)).astype(np.float32)
    model = SimpleNamespace(encode_image_array=encode, encode_text=lambda said, prefix="": texts[: len(said)])
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    boxes = np.tile(np.array([LEFT, RIGHT, (0, 0, 1, 1)], np.float32), (5, 1, 1))
    cosines = Cosines(model, Squares(8))
    whole = cosines.regions(images, boxes, ["a", "b"])
    monkeypatch.setattr(scoring, "CROPS", 7)
    np.testing.assert_array_equal(cosines.regions(images, boxes, ["a", "b"]), whole)
    assert counts == [15, 6, 6, 3] and whole.shape == (5, 3, 2)
    golden = cropped(images[3], boxes[3, 1]).reshape(-1) @ texts[1]
    np.testing.assert_allclose(whole[3, 1, 1], golden, rtol=1e-4)
