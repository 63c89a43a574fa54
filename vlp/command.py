"""The command itself: what a process does before the rest is imported."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

from vlp.huge_pages import restart_with_huge_pages

OBJECTS = 50_000  # that are made between two looks for garbage


def run() -> NoReturn:
    """Runs the program's arguments, in a process that is started again where that makes it faster."""
    restart_with_huge_pages()
    # What is imported, built and traced makes millions of objects that stay: looked through after every 700 of them
    # (Python's default), a start takes a tenth longer.
    gc.set_threshold(OBJECTS)
    from vlp.cli import main  # once, and not in the process before as well

    sys.exit(main(sys.argv[1:]))
