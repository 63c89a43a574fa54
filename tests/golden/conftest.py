"""Golden vectors: NAME_seedN.npz files with the inputs, losses and gradients of public implementations."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-dir", default=str(HERE), help="folder of NAME_seedN.npz files (bundled)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "golden_file" in metafunc.fixturenames:
        # Not registered where pytest was started for all of tests/: then it cannot have been given either.
        folder = Path(metafunc.config.getoption("--golden-dir", default=str(HERE)))
        files = sorted(folder.glob("*_seed*.npz"))
        assert files, f"{folder} holds no NAME_seedN.npz"
        metafunc.parametrize("golden_file", files, ids=[file.stem for file in files])
