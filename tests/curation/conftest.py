"""An embeddings folder of its own for every test."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from chosen_embeddings import write_folder


@pytest.fixture
def embedded(tmp_path: Path) -> Callable[..., str]:
    """Writes images of the source `web` and texts into a folder, and returns its path."""
    return partial(write_folder, tmp_path / "embedded")
