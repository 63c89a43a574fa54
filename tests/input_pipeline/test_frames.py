"""Images at their own aspect ratio: sizes within the budget, patches as fields of a batch, and sets of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from configs import base
from input_pipeline.catalogue import Catalogue
from input_pipeline.decode import picture_of
from input_pipeline.images_on_demand import ImagesOnDemand
from input_pipeline.stream import make_stream
from input_pipeline.views.frames import NativePatches, apart, frame_of, names_of, parts_of
from input_pipeline.views.image import EvaluationView, TrainingView
from input_pipeline.views.patches import joined

SPEC = {"resolution": 32, "resize": "squash", "patches": 64, "patch_size": 8}
AS_IT_IS = {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0), "flip": False}


def image(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_sizes_fill_the_budget_and_keep_the_aspect_ratio() -> None:
    dice = np.random.default_rng(0)
    for budget in (64, 256):
        frame = NativePatches(16, budget)
        padding = []
        for width, height in dice.integers(30, 2000, (200, 2)).tolist():
            size = frame.size(width, height)
            columns, rows = (extent // 16 for extent in size)
            assert all(extent % 16 == 0 for extent in size) and rows * columns <= budget
            # There is a scale that makes both sides so many patches, of which a part counts whole.
            low = max((columns - 1) / width, (rows - 1) / height)
            assert low < min(columns / width, rows / height) or 1 in (columns, rows)
            padding.append(1 - rows * columns / budget)
        assert np.mean(padding) < 0.1
    assert NativePatches(16, 4).size(100_000, 1) == (64, 16) and NativePatches(16, 1).size(9, 999) == (16, 16)
    assert NativePatches(16, 256).size(2, 1) == (13 * 16, 7 * 16), "no more than a hundred times as large"


def test_a_view_is_the_picture_in_patches_and_stacks_like_an_array() -> None:
    view = EvaluationView(SPEC)
    wide, tall = view.load([image(96, 32), image(20, 80)])
    assert wide["grid"].tolist() == [4, 12] and tall["grid"].tolist() == [16, 4]
    assert not wide["patches"][48:].any() and wide["patches"][:48].any()
    assert joined(*wide).shape == (32, 96, 3)
    whole = view.load([image(64, 64)])
    np.testing.assert_array_equal(joined(*whole[0]), np.asarray(image(64, 64)))
    train = TrainingView.build(SPEC, AS_IT_IS)
    one = train(picture_of(image(96, 32)), np.random.default_rng(0))
    assert one.tobytes() == wide.tobytes()
    assert view.load([]).shape == (0,) and view.load([]).dtype == wide.dtype
    several = ImagesOnDemand(lambda index: np.stack([wide, tall])[index], range(2), view.frame, 1)
    assert several.shape == (2,) and names_of({"image": several}) == ("image", "image_grid")
    assert [part.shape for part in parts_of(several[:1])] == [(1, 64, 64, 3), (1, 2)]


def test_a_crop_keeps_its_own_aspect_ratio() -> None:
    train = TrainingView.build(
        SPEC, {**AS_IT_IS, "crop_scale": (0.2, 0.3), "crop_ratio": (0.5, 2.0), "flip": True}
    )
    shown = [train(picture_of(image(96, 64)), np.random.default_rng(seed)) for seed in range(8)]
    grids = {tuple(one["grid"].tolist()) for one in shown}
    assert len(grids) > 2 and all(rows * columns <= 64 for rows, columns in grids)
    frame = NativePatches(8, 64)
    pixels = frame.resize(np.asarray(image(96, 64)), (48.0, 32.0, 96.0, 64.0))
    assert pixels.shape[1::-1] == frame.size(48.0, 32.0), "of the crop's extent, wherever it lies"


def test_batch_fields_have_a_grid_only_where_there_is_a_budget() -> None:
    data = {
        "image": {**AS_IT_IS, "resize": "squash"},
        "image_views": {"crops": {"count": 2}},
        "text": {},
        "sources": {},
    }
    own = Catalogue(data, SPEC, None, {}).build(("image", "crops_grid"))  # type: ignore[arg-type]
    shapes = {name: shape for field in own for name, (shape, _) in field.shapes().items()}
    assert shapes == {
        "image": (64, 64, 3),
        "image_grid": (2,),
        "crops": (2, 64, 64, 3),
        "crops_grid": (2, 2),
    }
    squares = {"resolution": 32, "resize": "squash"}
    with pytest.raises(ValueError, match="image_grid"):
        Catalogue(data, squares, None, {}).build(("image", "image_grid"))  # type: ignore[arg-type]
    plain = EvaluationView(squares).load([image(9, 9)])
    assert apart({"image": plain})["image"] is plain


def test_a_batch_draws_one_budget_for_all_its_rows_wherever_they_are_made() -> None:
    data = base.get_config().data.to_dict()
    data["image"] |= {"resize": "squash", "budgets": (16, 36, 64, 100)}
    data["image_views"] = {"crops": {"count": 2}}
    fields = ("image", "image_grid", "crops")
    options = {"tokenizer": None, "batch_size": 4, "seed": 1, "fields": fields}
    stream = make_stream(data, preprocessing=SPEC, **options)  # type: ignore[arg-type]
    batches = [stream.host_batches()(number) for number in range(8)]
    lengths = [batch["image"].shape[1] for batch in batches]
    assert set(lengths) == {16, 36, 64}, "the model has 64 at most"
    assert [batch["crops"].shape[2] for batch in batches] == lengths
    second = stream.host_batches(3, 1, 2)(0)
    np.testing.assert_array_equal(second["image"], batches[3]["image"][2:])
    data["image"]["budgets"] = ()
    plain = make_stream(data, preprocessing=SPEC, **options).host_batches()(3)  # type: ignore[arg-type]
    assert plain["image"].shape[1] == 64


def test_a_budget_is_of_whole_images() -> None:
    with pytest.raises(ValueError, match="resize 'pad' makes squares"):
        frame_of({**SPEC, "resize": "pad"})
    with pytest.raises(ValueError, match="resolution 0 must be at least 1"):
        frame_of({**SPEC, "resolution": 0})
