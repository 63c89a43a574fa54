"""Builds the package: installed, everything lies inside vlp, also what stands beside it in a checkout.

`configs` and `input_pipeline` are names that many projects use, so they are installed as `vlp.configs` and
`vlp.input_pipeline`, and the copies that are built say so wherever they name them. The rest is in pyproject.toml.
"""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_namespace_packages, find_packages, setup
from setuptools.command.build_py import build_py

BESIDE = ("configs", "input_pipeline")
_NAMES = "|".join(BESIDE)
_IMPORT = re.compile(rf"^(\s*(?:from|import)\s+)({_NAMES})\b", re.MULTILINE)
_TEXT = re.compile(rf"""(["'])({_NAMES})((?:\.\w+)+(?::\w+)?\1)""")  # 'package.module:Class'


def moved(source: str) -> str:
    """Returns a module's source with the packages beside vlp called what they are called inside it."""
    return _TEXT.sub(r"\1vlp.\2\3", _IMPORT.sub(r"\1vlp.\2", source))


class BuildInsideVlp(build_py):
    """Copies the packages, and puts their new names into the copies; an editable install stays a checkout."""

    def run(self) -> None:
        """Builds as usual, then rewrites what was built."""
        super().run()
        if self.editable_mode:
            return
        for file in Path(self.build_lib, "vlp").rglob("*.py"):
            source = file.read_text(encoding="utf-8")
            file.write_text(moved(source), encoding="utf-8")


if __name__ == "__main__":
    inside = [
        *find_packages(include=[f"{name}*" for name in BESIDE]),
        *find_namespace_packages(include=["data*"]),
    ]
    setup(
        packages=[*find_packages(include=["vlp*"]), *(f"vlp.{name}" for name in inside)],
        package_dir={f"vlp.{name}": name for name in (*BESIDE, "data")},
        package_data={"": ["*.json", "**/*.json", "*.css", "py.typed"], "vlp.data": ["**/*"]},
        cmdclass={"build_py": BuildInsideVlp},
    )
