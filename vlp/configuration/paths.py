"""Where the relative paths of a config and of its flags lie."""

from __future__ import annotations

from pathlib import Path

from input_pipeline.addresses import is_address
from input_pipeline.patterns import matches
from vlp.beside import ROOT as PROJECT_ROOT


def find(path: str) -> list[Path]:
    """Returns what a file, folder or glob pattern stands for: in the working directory, else in the project's root.

    Of an address these are copies.

    Raises:
      ValueError: there is nothing at an address, or it cannot be fetched.
    """
    if is_address(path):
        from input_pipeline.sources.remote import fetch_any  # loads the sources, which few evaluators need

        return fetch_any(path)
    roots = (Path.cwd(), PROJECT_ROOT)
    return next((found for root in roots if (found := matches(root / Path(path).expanduser()))), [])


def looked_in(path: str) -> str:
    """Returns, for errors, where `find` looked for a relative path."""
    roots = dict.fromkeys((str(Path.cwd()), str(PROJECT_ROOT)))
    return (
        ""
        if is_address(path) or Path(path).expanduser().is_absolute()
        else f" (looked in {' and '.join(roots)})"
    )
