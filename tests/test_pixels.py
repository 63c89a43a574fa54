"""Pixels and patches of images by their place."""

from __future__ import annotations

import numpy as np

from input_pipeline.views.frames import NativePatches
from vlp.pixels import laid_out


def test_rows_of_patches_lie_where_the_images_have_them():
    values = np.arange(2 * 6 * 2, dtype=np.float32).reshape(2, 6, 2)
    images = np.zeros(2, NativePatches(8, 6).dtype)
    images["grid"] = [[2, 3], [1, 4]]
    wide, flat = laid_out(lambda shown: values[: len(shown)], images)
    np.testing.assert_array_equal(wide, [values[0, :3], values[0, 3:]])
    np.testing.assert_array_equal(flat, values[1, None, :4])
    squares = laid_out(lambda _: values[:, :4], np.zeros((2, 16, 16, 3), np.uint8))
    np.testing.assert_array_equal(squares[1], [values[1, :2], values[1, 2:4]])
