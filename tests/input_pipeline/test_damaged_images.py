"""Images damaged at random: a picture or a bad record, nothing else, and no memory left behind."""

from __future__ import annotations

import io
import resource

import numpy as np
import pytest
from PIL import Image

from input_pipeline.decode import decode_image, open_picture
from input_pipeline.records import BadRecord, Reason

KINDS = [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})]


def encoded(kind: str, **options: object) -> bytes:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)).resize((96, 72))
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_any_overwritten_bytes_give_a_picture_or_a_bad_record(kind: str, options: dict) -> None:
    data, refused = encoded(kind, **options), 0
    for seed in range(200):
        dice = np.random.default_rng(seed)
        start, noise = int(dice.integers(len(data))), dice.bytes(int(dice.integers(1, 32)))
        try:
            pixels = decode_image(data[:start] + noise + data[start + len(noise) :], max_pixels=100_000)
        except BadRecord as bad:
            assert bad.reason in (Reason.UNDECODABLE, Reason.TOO_LARGE)
            refused += 1
        else:
            assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
            assert 0 < pixels.shape[0] * pixels.shape[1] <= 100_000
    assert refused > 40


@pytest.mark.parametrize(("kind", "options"), KINDS)
@pytest.mark.parametrize("reduction", [1.0, 4.0])
def test_no_cut_is_padded(kind: str, options: dict, reduction: float) -> None:
    data = encoded(kind, **options)
    for kept in np.linspace(1, 0.95 * len(data), 60).astype(int):
        with pytest.raises(BadRecord):
            open_picture(data[:kept]).reduced(reduction)


def test_refusing_leaves_no_memory_behind() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (500, 500, 3), np.uint8)).save(buffer, "JPEG")
    cut = buffer.getvalue()[:-2000]

    def refuse(times: int) -> int:
        for _ in range(times):
            with pytest.raises(BadRecord):
                decode_image(cut)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = refuse(20)
    assert refuse(100) - before < 20_000  # KiB; one picture has 730
