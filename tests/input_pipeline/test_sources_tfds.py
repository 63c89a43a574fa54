"""TensorFlow Datasets prepared as array_record, read without TensorFlow."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from input_pipeline.records import BadRecord, Caption
from input_pipeline.sources import open_source

tfds = pytest.importorskip("tensorflow_datasets")


class Cats(tfds.core.GeneratorBasedBuilder):
    """Three pictures with captions and a class."""

    VERSION = tfds.core.Version("1.2.0")
    pictures: ClassVar[list[bytes]] = []

    def _info(self) -> Any:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "image/id": np.int64,
            "captions": tfds.features.Sequence({"text": tfds.features.Text(), "id": np.int64}),
            "label": tfds.features.ClassLabel(names=["cat", "dog"]),
            "licence": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, manager: object) -> dict[str, Any]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, picture in enumerate(self.pictures):
            captions = [{"text": f"{word} {number}", "id": 1} for word in ("ein Tier é", "two")[: number + 1]]
            yield number, {
                "image": io.BytesIO(picture), "image/id": 100 + number, "captions": captions, "label": number % 2,
                "licence": ("cc0", "by")[number % 2],
            }  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, encode: Any) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    Cats.pictures = [encode(np.full((4, 5, 3), i, np.uint8)) for i in range(3)]
    Cats(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def test_features_become_fields_by_name_and_by_folder(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    for path in (f"{prepared}/cats/1.2.0/train", f"{prepared}/cats/1.2.0/train[:2]"):
        source = pickle.loads(pickle.dumps(open_source({"format": "tfds", "path": path})))
        assert len(source) == (2 if "[" in path else 3)
        records = {record.id: record for record in map(source.__getitem__, range(len(source)))}
        assert records.keys() <= {"100", "101", "102"}
        for record in records.values():
            assert not record.extras
            number = int(record.id) - 100
            assert record.image == Cats.pictures[number] and record.label == ("cat", "dog")[number % 2]
            words = [f"ein Tier é {number}", f"two {number}"][: number + 1]
            assert record.captions == tuple(Caption(word, "", "en") for word in words)
    assert "tensorflow" not in sys.modules
    source = open_source({"format": "tfds", "path": path, "columns": {"extras": "licence"}})
    licences = {record.id: record.extras for record in map(source.__getitem__, range(2))}
    assert all(extras == {"licence": ("cc0", "by")[int(name) % 2]} for name, extras in licences.items())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_set/train", r"'no_such_set/train' cannot be opened: .*TFDS_DATA_DIR"),
        ("mnist", "must be NAME"),
        ("{}/cats/1.2.0/test", r"cannot be opened: .*test"),
        ("mnist/train", "cannot be opened: there is nothing at .*mnist.*Prepare it first"),
    ],
)
def test_what_is_not_there_is_an_error_with_advice(prepared: Path, path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_source({"format": "tfds", "path": path.format(prepared)})


def test_a_damaged_record_is_counted(prepared: Path, tmp_path: Path) -> None:
    copy = tmp_path / "1.2.0"
    shutil.copytree(prepared / "cats" / "1.2.0", copy)
    (shard,) = copy.glob("*.array_record*")
    data = bytearray(shard.read_bytes())
    data[300:304] = b"dead"  # after the headers; what is packed with what differs from time to time
    shard.write_bytes(data)
    source = open_source({"format": "tfds", "path": f"{copy}/train"})
    outcomes = []
    for index in range(3):
        try:
            outcomes.append(source[index].id)
        except BadRecord:
            outcomes.append("bad")
    assert len(source) == 3 and "bad" in outcomes


def test_a_shard_that_is_replaced_is_refused(prepared: Path, tmp_path: Path) -> None:
    copy = tmp_path / "1.2.0"
    shutil.copytree(prepared / "cats" / "1.2.0", copy)
    source, part = (open_source({"format": "tfds", "path": f"{copy}/train{part}"}) for part in ("", "[1:]"))
    assert {source[0].id, part[0].id, part[1].id} == {"100", "101", "102"}
    (shard,) = copy.glob("*.array_record*")
    os.utime(shard, ns=(0, 0))
    for one in (source, part):
        with pytest.raises(BadRecord, match="has changed since it was opened"):
            one[1]
