"""Fractals: systems that contract, pictures that are a function of their index, and labels without any file."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from configs.settings.data import IMAGE, LABELS
from configs.settings.setting import defaults
from input_pipeline.iterated_functions import affine_maps, chaos_game, density
from input_pipeline.records import Caption
from input_pipeline.sources import open_source
from input_pipeline.stream import make_stream

PATH = "classes=12,images=40,side=32"
ENTRY = {**defaults(LABELS), "most": 5}


def opened(path=PATH, **more):
    return open_source({"format": "fractals", "path": path, **more})


@pytest.mark.parametrize("maps", [2, 4, 7])
def test_systems_contract_and_spread_their_points(maps):
    for seed in range(20):
        system = affine_maps(maps, np.random.default_rng(seed))
        stretched = np.linalg.svd(system[:, :, :2], compute_uv=False)
        assert stretched.max() < 1  # so there are points that it leaves in place
        total = (stretched @ (1, 2)).sum()
        assert (5 + maps) / 2 <= total + 1e-9 and total - 1e-9 <= (6 + maps) / 2
        assert np.abs(system[:, :, 2]).max() <= 1


def test_the_points_of_a_system_are_those_of_its_maps_together():
    """The share of the fullest map's points is the map of all points: one more step changes nothing."""
    dice = np.random.default_rng(0)
    system = affine_maps(3, dice)
    points = chaos_game(system, dice.random((200, 400)))
    later = points[100:].reshape(-1, 2)
    areas = np.abs(np.linalg.det(system[:, :, :2]))
    mean = sum(
        share * (linear @ later.mean(axis=0) + offset)
        for share, linear, offset in zip(areas / areas.sum(), system[:, :, :2], system[:, :, 2], strict=True)
    )
    np.testing.assert_allclose(later.mean(axis=0), mean, atol=0.02)
    shades = density(later, 24)
    assert (
        shades.max() == 1 and shades[0].any() and shades[:, -1].any()
    )  # as wide and as high as there is room


def test_a_picture_is_a_function_of_seed_and_index():
    source, copy = opened(), pickle.loads(pickle.dumps(opened()))
    forth = [source[index] for index in range(len(source))]
    back = [copy[index] for index in reversed(range(len(copy)))]
    assert forth == back[::-1] and len({record.image for record in forth}) == 40
    assert opened(PATH + ",seed=1")[0] != forth[0]
    assert {len(record.tags) for record in forth} == {1, 2, 3, 4, 5}
    assert all(len(set(record.tags)) == len(record.tags) for record in forth)
    assert list(source.values("tags")) == [list(record.tags) for record in forth]
    assert list(source.ids()) == [record.id for record in forth]
    assert Image.open(io.BytesIO(forth[0].image)).size == (32, 32)


def test_labels_of_a_source_reach_the_batch_without_a_file(tokenizer):
    def first(process, processes):
        stream = make_stream(
            {
                "sources": {"drawn": {"format": "fractals", "path": PATH, "weight": 1.0}},
                "image": defaults(IMAGE),
                "text": {},
                "labels": {"fractals": ENTRY},
            },
            preprocessing={"resolution": 16, "resize": "pad"},
            tokenizer=tokenizer,
            batch_size=8,
            seed=0,
            fields=("image", "fractals_ids", "fractals"),
        )
        return next(stream.batches(process_index=process, process_count=processes))

    whole, halves = first(0, 1), [first(0, 2), first(1, 2)]
    for name in ("image", "fractals_ids", "fractals"):
        np.testing.assert_array_equal(np.concatenate([half[name] for half in halves]), whole[name])
    assert whole["fractals"].shape == (8, 12)
    for row, numbers in zip(whole["fractals"], whole["fractals_ids"], strict=True):
        assert set(np.flatnonzero(row)) == set(numbers[numbers >= 0])


def test_a_path_draws_what_it_has_always_drawn():
    """Runs that go on, and others' runs of the same path, see the same pictures: red in blocks of eight pixels."""
    drawn = opened()[7]
    blocks = np.asarray(Image.open(io.BytesIO(drawn.image)), float).reshape(4, 8, 4, 8, 3).mean(axis=(1, 3))
    expected = [
        [164.3, 153.6, 146.2, 160.6],
        [161.7, 156.2, 137.3, 162.0],
        [161.9, 197.5, 160.7, 166.6],
        [168.8, 164.2, 134.0, 177.5],
    ]
    np.testing.assert_allclose(blocks[:, :, 0], expected, atol=0.5)
    np.testing.assert_allclose(blocks[::2, ::2, 2], [[205.1, 185.9], [188.1, 196.2]], atol=0.5)
    assert drawn.tags == ("fractal-04", "fractal-00", "fractal-08", "fractal-10", "fractal-03")
    text = "a picture of fractal-04 and fractal-00 and fractal-08 and fractal-10 and fractal-03"
    assert drawn.captions == (Caption(text, "procedural", "en"),) and drawn.source == "fractals"
    assert drawn.image.startswith(b"P6 32 32 255\n")


def test_what_a_path_leaves_out_has_its_default_and_the_least_is_enough():
    assert len(opened("")) == 1_000_000 and opened("classes=1, side=8,images=2")[1].tags == ("fractal-0",)
    assert opened("classes=11,images=1")[0].tags[0][:9] == "fractal-0"
    assert opened("seed=0,side=9")[3].image.startswith(b"P6 9 9 255\n")
    assert list(opened("images=2").values("label")) == [None, None]


def test_cells_hold_the_share_of_their_points():
    """The ends of the box are in the first and in the last cell."""
    points = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 4.0], [0.0, 4.0], [0.6, 1.0], [0.0, 0.0], [0.4, 3.9]])
    np.testing.assert_allclose(3 * density(points, 3), [[3, 1, 1], [1, 0, 0], [0, 0, 1]])
    assert density(np.ones((4, 2)), 2).tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("clases=3", "did you mean 'classes'"),
        ("classes=0", "at least 1"),
        ("side=7", "at least 8"),
        ("side=x", "side='x'"),
        ("seed=-1", "at least 0"),
    ],
)
def test_what_a_path_does_not_mean_is_one_line(path, said):
    with pytest.raises(ValueError, match=said):
        opened(path)
    with pytest.raises(ValueError, match="what they have is known"):
        opened(columns={"tags": "x"})
