"""What runs leave in their workdirs, compared bit by bit."""

from __future__ import annotations

import numpy as np

from vlp.checkpoint import find_checkpoint, load_model_arrays


def assert_same_run(one, other):
    """The same figures at every step, the same results and the same last model."""
    for name in ("metrics.jsonl", "results.json", "results.html", "results.npz"):
        assert (one / name).exists() == (other / name).exists()
        assert not (one / name).exists() or (one / name).read_bytes() == (other / name).read_bytes()
    first, second = (load_model_arrays(find_checkpoint(workdir)) for workdir in (one, other))
    flat = [sorted(_flatten(tree)) for tree in (first, second)]
    assert [path for path, _ in flat[0]] == [path for path, _ in flat[1]] and flat[0]
    for (path, a), (_, b) in zip(*flat, strict=True):
        assert a.tobytes() == b.tobytes(), path


def _flatten(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}/")
        else:
            yield prefix + str(name), np.asarray(value)
