"""VTAB's structured tasks in miniature, prepared by TFDS: the labels of each, its splits, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from configs.eval.known_set import STRUCTURED
from input_pipeline.decode import decode_image
from input_pipeline.errors import UserError
from input_pipeline.known.structured import TASKS
from input_pipeline.records import BadRecord
from input_pipeline.sources import open_source
from input_pipeline.views.class_names import naming_rule
from vlp.configuration import load_config
from vlp.evaluation.texts.prompt_sets import load_prompt_set

tfds = pytest.importorskip("tensorflow_datasets")
features = tfds.features

# Depths of the objects of each image, and their kinds where there are several.
CLEVR = [
    [8.0, 8.2, 11.0],
    [8.01, 9.0, 9.2, 12.0],
    [8.5, 9.0, 9.5],
    [10.01] * 10,
    [0.5] * 3,
    [9.7, 10.0, 10.2],
]
KITTI = [[(5.0, 0)], [(8.01, 2), (2.0, 3)], [(20.0, 1)], [(20.5, 0), (3.0, 6)], [(3.0, 4)], []]


def generator(name: str, what: Any, splits: Any, examples: Any) -> Any:
    """A builder of TFDS with the name and the features of a public one."""

    def info(self: Any) -> Any:
        return tfds.core.DatasetInfo(builder=self, features=features.FeaturesDict(what))

    def made(self: Any, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        return enumerate(examples(split))

    methods = {
        "_info": info,
        "_split_generators": lambda self, manager: {split: made(self, split) for split in splits},
        "_generate_examples": made,
        "VERSION": tfds.core.Version("2.1.0"),
        "__module__": __name__,
    }
    # Not into its list of data sets, which has the public one as soon as anybody has loaded it.
    return type(name, (tfds.core.GeneratorBasedBuilder,), methods, skip_registration=True)


def picture(pixels: Any) -> io.BytesIO:
    """A PNG, which TFDS takes as it is."""
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file := io.BytesIO(), "PNG")
    return io.BytesIO(file.getvalue())


def grey(side: int, value: int) -> io.BytesIO:
    return picture(np.full((side, side), value))


def clevr() -> Any:
    kinds = {
        "size": features.ClassLabel(names=["small", "large"]),
        "pixel_coords": features.Tensor(shape=(3,), dtype=np.float32),
    }
    what = {"image": features.Image(), "file_name": features.Text(), "objects": features.Sequence(kinds)}

    def examples(split: str) -> Iterator[dict[str, Any]]:
        for number, depths in enumerate(CLEVR):
            objects = [{"size": 0, "pixel_coords": (1.0, 2.0, depth)} for depth in depths]
            yield {
                "image": picture(np.zeros((4, 6, 3))),
                "file_name": f"{split}{number}.png",
                "objects": objects,
            }

    return generator("Clevr", what, ("train", "validation"), examples)


def kitti() -> Any:
    kinds = {
        "type": features.ClassLabel(num_classes=8),
        "location": features.Tensor(shape=(3,), dtype=np.float32),
    }
    what = {
        "image": features.Image(),
        "image/file_name": features.Text(),
        "objects": features.Sequence(kinds),
    }

    def examples(split: str) -> Iterator[dict[str, Any]]:
        for number, seen in enumerate(KITTI):
            objects = [{"type": kind, "location": (0.0, 1.0, depth)} for depth, kind in seen]
            yield {
                "image": picture(np.zeros((4, 6, 3))),
                "image/file_name": f"{number}.png",
                "objects": objects,
            }

    return generator("Kitti", what, ("train", "validation", "test"), examples)


def dsprites() -> Any:
    what = {
        "image": features.Image(shape=(8, 8, 1)),
        "label_orientation": features.ClassLabel(num_classes=40),
        "label_x_position": features.ClassLabel(num_classes=32),
        "id": features.Text(),
    }

    def examples(split: str) -> Iterator[dict[str, Any]]:
        for number in range(40):
            pixels = np.zeros((8, 8))
            pixels[2:4] = 1
            yield {
                "image": picture(pixels),
                "label_orientation": number,
                "label_x_position": number % 32,
                "id": f"{number:06}",
            }

    return generator("Dsprites", what, ("train",), examples)


def smallnorb() -> Any:
    what = {
        "image": features.Image(shape=(8, 8, 1)),
        "label_elevation": features.ClassLabel(num_classes=9),
        "label_azimuth": features.ClassLabel(num_classes=18),
    }

    def examples(split: str) -> Iterator[dict[str, Any]]:
        for number in range(18):
            yield {"image": grey(8, 7 * number), "label_elevation": number // 2, "label_azimuth": number}

    return generator("Smallnorb", what, ("train", "test"), examples)


def dmlab() -> Any:
    what = {
        "image": features.Image(shape=(4, 6, 3)),
        "filename": features.Text(),
        "label": features.ClassLabel(num_classes=6),
    }

    def examples(split: str) -> Iterator[dict[str, Any]]:
        for number in range(6):
            yield {"image": picture(np.zeros((4, 6, 3))), "filename": f"{number}", "label": number}

    return generator("Dmlab", what, ("train", "validation", "test"), examples)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    for made in (clevr, kitti, dsprites, smallnorb, dmlab):
        made()(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def records(folder: Path, name: str) -> dict[str, Any]:
    source = open_source({"format": "known", "path": f"{name}={folder}", "columns": {}})
    return {record.id: record for record in map(source.__getitem__, range(len(source)))}


def labels(folder: Path, name: str) -> dict[str, str | None]:
    return {key: record.label for key, record in records(folder, name).items()}


def test_clevr_counts_objects_and_bins_the_nearest_ones_distance(prepared: Path) -> None:
    counts, bins = (0, 1, 0, 7, 0, 0), (0, 1, 1, 5, 0, 4)
    for task, numbers in (("count_all", counts), ("closest_object_distance", bins)):
        expected = {f"validation{place}.png": str(number) for place, number in enumerate(numbers)}
        assert labels(prepared, f"clevr_{task}") == expected  # a threshold itself is of the class before it
    assert len(labels(prepared, "clevr_count_all:train")) == 5
    assert len(labels(prepared / "clevr" / "2.1.0", "clevr_count_all:val")) == 1


def test_kitti_bins_the_nearest_vehicles_depth_and_has_a_class_for_none(prepared: Path) -> None:
    expected = {f"{place}.png": number for place, number in enumerate("011233")}
    assert labels(prepared, "kitti_closest_vehicle_distance") == expected


def test_dsprites_is_black_and_white_and_neighbours_share_a_bin(prepared: Path) -> None:
    own = {f"{number:06}": number for number in range(40)}
    names = {
        "orientation": (1, 40),
        "orientation_16": (2.5, 40),
        "x_position": (1, 32),
        "x_position_16": (2, 32),
    }
    for name, (width, among) in names.items():
        found = {}
        for split in ("train", "val", "test"):
            found |= labels(prepared, f"dsprites_label_{name}:{split}")
        assert found == {key: str(int(number % among // width)) for key, number in own.items()}
    sizes = {
        split: len(labels(prepared, f"dsprites_label_orientation:{split}"))
        for split in ("train", "val", "test", "trainval")
    }
    assert sizes == {"train": 32, "val": 4, "test": 4, "trainval": 36}
    shown = decode_image(next(iter(records(prepared, "dsprites_label_x_position").values())).image)
    assert shown.shape == (8, 8, 3) and set(np.unique(shown)) == {0, 255}


def test_smallnorb_and_dmlab_keep_their_labels_and_get_vtabs_splits(prepared: Path) -> None:
    azimuth, elevation = (
        records(prepared, f"smallnorb_label_{one}:train") for one in ("azimuth", "elevation")
    )
    assert sorted(int(record.label) for record in azimuth.values()) == list(range(18))
    assert all(int(elevation[key].label) == int(azimuth[key].label) // 2 for key in azimuth)
    shown = {
        int(record.label): Image.open(io.BytesIO(record.image)).getpixel((0, 0))
        for record in azimuth.values()
    }
    assert shown == {number: 7 * number for number in range(18)}
    halves = [labels(prepared, f"smallnorb_label_azimuth:{split}") for split in ("val", "test")]
    assert sorted(int(label) for half in halves for label in half.values()) == list(range(18))
    assert [len(half) for half in halves] == [9, 9]
    assert len(labels(prepared, "smallnorb_label_azimuth:trainval")) == 27
    assert sorted(labels(prepared, "dmlab").values()) == list("012345")


def test_the_thousand_examples_are_the_first_of_both(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from input_pipeline.known import structured

    monkeypatch.setitem(structured._JOINED, "train800val200", {"train": 8, "val": 2})
    train, val = (list(labels(prepared, f"dsprites_label_orientation:{split}")) for split in ("train", "val"))
    assert list(labels(prepared, "dsprites_label_orientation:train800val200")) == train[:8] + val[:2]


def test_a_label_that_no_task_has_is_a_bad_record(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "dmlab", TASKS["dmlab"]._replace(classes=3))
    with pytest.raises(BadRecord, match=r"class [345] is none of the 3 of dmlab"):
        labels(prepared, "dmlab")


def test_what_is_not_prepared_is_named_with_where_to_get_it(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"'dmlab' \(test\) is not in .*dmlab/VERSION/dataset_info.json.*tfds.builder\('dmlab'",
    ):
        labels(tmp_path, "dmlab")
    with pytest.raises(
        UserError, match="has the splits test, train, val, trainval, train800val200, not 'all'"
    ):
        labels(prepared, "dmlab:all")


@pytest.mark.parametrize("name", TASKS)
def test_every_class_has_a_name(name: str) -> None:
    numbers = [str(number) for number in range(TASKS[name].classes)]
    assert len({*naming_rule(STRUCTURED[name][1])(numbers)}) == TASKS[name].classes


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_evaluated_by_name(name: str) -> None:
    config = load_config(f"configs/eval/known_set.py:{name},split=val,path=/data/tfds")
    assert config.data.evaluation[name].to_dict() == {"format": "known", "path": f"{name}:val=/data/tfds"}
    assert load_prompt_set(config.evaluators.zero_shot.templates)
    usual = load_config(f"configs/eval/known_set.py:{name}").data.evaluation[name]
    assert usual.path == f"{name}=~/tensorflow_datasets"
