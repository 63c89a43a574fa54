"""Collages and their regions: the same bytes wherever they are made, and boxes that follow what a crop shows."""

from __future__ import annotations

import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.evaluation_set import load_evaluation_set
from input_pipeline.records import Region
from input_pipeline.sources import open_source
from input_pipeline.stream import make_stream
from input_pipeline.views.regions import placed

PATH = "data/quickstart/val.parquet"
COLUMNS = {"captions": "captions", "tags": "tags", "label": "category"}
ENTRY = {"format": "collages", "path": PATH, "columns": COLUMNS}


def test_a_collage_is_four_records_of_four_labels_and_says_where_they_are():
    plain, collages = open_source({"path": PATH, "columns": COLUMNS}), open_source(ENTRY)
    copy = pickle.loads(pickle.dumps(open_source(ENTRY)))
    assert len(collages) == len(plain)
    for index in (3, 0, 41):
        record = collages[index]
        assert record == copy[index] and record.id == str(index)
        assert len({region.label for region in record.regions}) == 4
        assert plain[index].label in [region.label for region in record.regions]
        assert {*record.tags} == {tag for region in record.regions for tag in region.tags}
        shown = np.asarray(Image.open(io.BytesIO(record.image)))
        side = shown.shape[0] // 2
        for region in record.regions:
            assert region.text in record.captions[0].text
            if region.label == plain[index].label:
                own = Image.open(io.BytesIO(plain[index].image)).convert("RGB")
                left, top = round(region.box[0] * 2 * side), round(region.box[1] * 2 * side)
                part = shown[top : top + side, left : left + side]
                if own.size == (side, side):
                    np.testing.assert_array_equal(part, np.asarray(own))


def test_collages_of_too_few_records_are_refused(write_parquet):
    with pytest.raises(UserError, match="of 4 records"):
        open_source({"format": "collages", "path": str(write_parquet(3))})


def test_a_box_is_cut_mirrored_and_dropped_with_what_it_holds():
    regions = [Region((0.0, 0.0, 0.5, 0.5), "a"), Region((0.5, 0.5, 1.0, 1.0), "b")]
    shown = placed(regions, 100, 50, (25.0, 0.0, 100.0, 50.0), mirrored=True)
    (first, one), (second, other) = shown
    assert (first.text, second.text) == ("a", "b")
    np.testing.assert_allclose(one, (1 - 1 / 3, 0.0, 1.0, 0.5))
    np.testing.assert_allclose(other, (0.0, 0.5, 1 - 1 / 3, 1.0))
    assert [region.text for region, _ in placed(regions, 100, 50, (45.0, 0.0, 95.0, 50.0))] == ["b"]


def stream(tokenizer, *, seed=0, variants=0, fraction=1.0, **image):
    labels = {"path": "data/quickstart/tables/categories.json", "of": "label", "most": 1, "column": ""}
    labels |= {"verified": "", "hierarchy": "", "noise": 0.0, "noise_seed": 0}
    config = {
        "sources": {"collages": {**ENTRY, "weight": 1.0, "fraction": fraction}},
        "variants": variants,
        "image": image,
        "text": {},
        "regions": {"most": 3},
        "labels": {"classes": labels},
    }
    return make_stream(
        config,
        preprocessing={"resolution": 32, "resize": "pad"},
        tokenizer=tokenizer,
        batch_size=6,
        seed=seed,
        fields=(
            *("image", "region_boxes", "region_mask", "region_text"),
            *("region_text_mask", "region_classes"),
        ),
    )


def test_boxes_of_a_batch_lie_where_its_crops_have_put_them(tokenizer):
    still = next(stream(tokenizer, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), flip=False).batches())
    moved = next(stream(tokenizer, crop_scale=(0.4, 0.6), crop_ratio=(1.0, 1.0), flip=True).batches())
    assert still["region_mask"].all() and still["region_boxes"].shape == (6, 3, 4)
    np.testing.assert_allclose(still["region_boxes"][:, 0], np.tile([0, 0, 0.5, 0.5], (6, 1)), atol=1e-6)
    boxes, there = moved["region_boxes"], moved["region_mask"]
    assert not np.allclose(boxes, still["region_boxes"]) and there.any(axis=1).all()
    assert (boxes >= 0).all() and (boxes <= 1).all()
    assert (boxes[there][:, 2:] > boxes[there][:, :2]).all() and not boxes[~there].any()
    assert ((moved["region_text_mask"].sum(axis=2) > 1) == there).all()
    assert ((moved["region_classes"] == 1).sum(axis=2)[there] <= 1).all()
    assert (moved["region_classes"][~there] == -1).all()


def test_boxes_of_a_fixed_view_are_those_of_that_view(tokenizer):
    boxes = {}
    for seed in (0, 1):
        crops = {"crop_scale": (0.4, 0.6), "crop_ratio": (1.0, 1.0), "flip": True}
        some = stream(tokenizer, seed=seed, variants=1, fraction=0.003, **crops).batches()
        for batch in (next(some), next(some)):
            for image, own in zip(batch["image"], batch["region_boxes"], strict=True):
                np.testing.assert_array_equal(boxes.setdefault(image.tobytes(), own), own)
    assert len(boxes) < 24  # some were seen again


def test_an_evaluation_set_of_collages_knows_their_regions_and_a_moved_image_has_none(tokenizer):
    data = load_evaluation_set({**ENTRY, "fraction": 0.05}, {"resolution": 32, "resize": "pad"})
    assert len(data.regions) == len(data) and all(len(own) == 4 for own in data.regions)
    assert data.regions[0][3].box == (0.5, 0.5, 1.0, 1.0)
    with pytest.raises(UserError, match="affine"):
        stream(tokenizer, affine=(20.0, 0.1, 0.9, 1.1))


def test_regions_of_a_file_are_those_of_the_records_it_names(tmp_path):
    file = tmp_path / "regions.jsonl"
    plain = open_source({"path": PATH})
    lines = [
        {"id": plain[2].id, "box": [0, 0.5, 1, 1], "text": "a leaf", "tags": ["green"]},
        {"id": plain[2].id, "box": [0, 0.5, 2, 1], "text": "outside"},
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    source = open_source({"path": PATH, "regions_by_id": str(file)})
    assert source[2].regions == (Region((0.0, 0.5, 1.0, 1.0), "a leaf", "", ("green",)),)
    assert source[1].regions == ()


@pytest.mark.parametrize("lvis", [False, True])
def test_boxes_of_coco_and_lvis_are_read_as_they_are_downloaded(tmp_path, lvis):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    Image.new("RGB", (40, 20)).save(tmp_path / "val2017" / "1.jpg")
    image = {"id": 7, "width": 40, "height": 20}
    named = {"coco_url": "http://images.cocodataset.org/val2017/1.jpg", "neg_category_ids": [2]}
    image |= named if lvis else {"file_name": "1.jpg"}
    boxes = [([10, 5, 20, 10], 1, 0), ([0, 0, 40, 20], 2, 1), ([3, 3, 0, 4], 1, 0), ([50, 0, 9, 9], 1, 0)]
    annotations = [
        {"id": at, "image_id": 7, "category_id": category, "bbox": box, "iscrowd": crowd}
        for at, (box, category, crowd) in enumerate(boxes)
    ]
    categories = [{"id": 1, "name": "baseball_bat"}, {"id": 2, "name": "dog"}]
    content = {"images": [image], "annotations": annotations, "categories": categories}
    file = tmp_path / "annotations" / ("lvis_v1_val.json" if lvis else "instances_val2017.json")
    file.write_text(json.dumps(content))
    source = open_source({"path": str(file)})
    record = source[0]
    assert record.regions == (Region((0.25, 0.25, 0.75, 0.75), "baseball bat", "baseball bat"),)
    assert record.tags == ("baseball bat",) and [*source.values("tags")] == [["baseball bat"]]
    assert record.extras == ({"absent": ["dog"]} if lvis else {})
    if not lvis:  # whose names say the folder themselves
        (own := tmp_path / "val2017.json").write_text(file.read_text())
        assert open_source({"path": str(own), "format": "coco_boxes"})[0] == record
    file.write_text(json.dumps({**content, "categories": []}))
    with pytest.raises(UserError, match="none of COCO's or LVIS's"):
        open_source({"path": str(file)})
