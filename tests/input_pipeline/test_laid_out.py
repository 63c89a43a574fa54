"""Texts as pictures: a fixed place for every feature, from which the embedding can be read back."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from input_pipeline.decode import decode_image
from input_pipeline.sources import open_source
from input_pipeline.sources.laid_out import CELL, RANGE, layout


def embedded(folder: Path, rows: np.ndarray, shards: int) -> Path:
    folder.mkdir(parents=True)
    for number, part in enumerate(np.array_split(np.arange(len(rows)), shards)):
        np.save(folder / f"{number:08d}.npy", rows[part].astype(np.float32))
        notes = {"ids": [f"i{at}" for at in part], "labels": [f"l{at % 2}" for at in part]}
        notes |= {"texts": [f"text {at}" for at in part], "tags": [["t"] for _ in part]}
        (folder / f"{number:08d}.json").write_text(json.dumps(notes))
    return folder


def test_a_layout_is_injective_and_puts_together_what_goes_together() -> None:
    dice = np.random.default_rng(0)
    two = dice.standard_normal((500, 2))
    angles = np.linspace(0, 2 * np.pi, 49, endpoint=False)
    rows = two @ np.stack([1.5 * np.cos(angles), np.sin(angles)]) + 0.1 * dice.standard_normal((500, 49))
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    places = layout(rows)
    assert len(set(places.tolist())) == 49 and places.max() < 49
    cells = np.stack(np.divmod(places, 7), axis=1)
    near = np.linalg.norm(cells - np.roll(cells, 1, axis=0), axis=1).mean()
    assert near < 0.5 * np.linalg.norm(cells - dice.permutation(cells), axis=1).mean()
    assert len(set(layout(rows[:, :10]).tolist())) == 10


def test_a_text_can_be_read_back_from_its_picture(tmp_path: Path) -> None:
    dice = np.random.default_rng(1)
    train, test = dice.standard_normal((200, 12)), dice.standard_normal((7, 12))
    path = f"texts={embedded(tmp_path / 'test', test, 2)},layout={embedded(tmp_path / 'train', train, 3)}"
    source = pickle.loads(pickle.dumps(open_source({"format": "laid_out", "path": path, "columns": {}})))
    assert len(source) == 7
    record = source[4]
    assert (record.label, record.tags, record.captions[0].text) == ("l0", ("t",), "text 4")
    grey = decode_image(record.image)[::CELL, ::CELL, 0].reshape(-1)[source._places]
    values = (grey / 255 - 0.5) * 2 * RANGE
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    np.testing.assert_allclose(values, np.clip((test[4] - mean) / deviation, -RANGE, RANGE), atol=0.02)
    for wrong, said in (
        (f"texts={tmp_path}/test", "its path is 'texts=FOLDER,layout=FOLDER'"),
        (f"texts={tmp_path},layout={tmp_path}/train", "holds no embeddings"),
        (f"texts={embedded(tmp_path / 'b', test[:, :5], 1)},layout={tmp_path}/train", "12 features, .* 5"),
    ):
        with pytest.raises(ValueError, match=said):
            open_source({"format": "laid_out", "path": wrong, "columns": {}})
