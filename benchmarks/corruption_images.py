"""Damaged JPEG and PNG files: each must decode or be refused as a bad record, and leave no memory behind.

python benchmarks/corruption_images.py [--cases=10000]
"""

from __future__ import annotations

import argparse
import io
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image

from input_pipeline.decode import open_picture
from input_pipeline.records import BadRecord
from input_pipeline.views.image import TrainingView

MAX_PIXELS = 1_000_000


def originals() -> list[bytes]:
    """The kinds of file that image-text data are made of."""
    dice = np.random.default_rng(0)
    image = Image.fromarray(dice.integers(0, 256, (12, 16, 3), np.uint8)).resize((160, 120))
    kinds = [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})]
    files = []
    for (kind, options), mode in [(kind, mode) for kind in kinds for mode in ("RGB", "L")]:
        buffer = io.BytesIO()
        image.convert(mode).save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files


def damaged(data: bytes, dice: np.random.Generator) -> bytes:
    """Cut, overwritten, with bits flipped, or with bytes inserted, anywhere."""
    start, length = int(dice.integers(len(data))), int(dice.integers(1, 64))
    noise = dice.bytes(length)
    kind = dice.integers(4)
    if kind == 0:
        return data[:start]
    if kind == 1:
        return data[:start] + noise + data[start + length :]
    if kind == 2:
        return data[:start] + bytes([data[start] ^ (1 << int(dice.integers(8)))]) + data[start + 1 :]
    return data[:start] + noise + data[start:]


def outcomes(cases: int) -> Iterator[str]:
    """What became of every case; anything but a picture or a bad record is raised."""
    files, view = originals(), TrainingView(32, "pad", (0.2, 1.0), (3 / 4, 4 / 3))
    for case in range(cases):
        dice = np.random.default_rng(case)
        data = damaged(files[case % len(files)], dice)
        try:
            shown = view(open_picture(data, MAX_PIXELS), dice)
        except BadRecord as bad:
            yield bad.reason.name.lower()
        else:
            assert shown.shape == (32, 32, 3), f"case {case}: {shown.shape}"
            yield "decoded"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000)
    options = parser.parse_args()
    Counter(outcomes(500))  # fills caches
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = Counter(outcomes(options.cases))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    spelled = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    print(
        f"{options.cases} damaged images: {spelled}; no other exception; peak memory grew by {grown:.1f} MiB"
    )


if __name__ == "__main__":
    main()
