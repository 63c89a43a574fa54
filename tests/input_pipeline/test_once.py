"""What a visit computes once, threads compute for other visits at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from input_pipeline.once import Once


class Shared:
    """Counts how often its property is computed, which takes until another object's is as well."""

    together = threading.Barrier(2)

    def __init__(self) -> None:
        self.computed = 0

    @Once
    def value(self) -> int:
        """What it is."""
        self.together.wait(timeout=30)
        self.computed += 1
        return self.computed


def test_objects_do_not_wait_for_each_other_and_compute_once() -> None:
    one, other = Shared(), Shared()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda shared: shared.value, (one, other))) == [1, 1]
    assert (one.value, other.value, one.computed) == (1, 1, 1)
