"""What an evaluation leaves beside its JSON: a page to look at, and the outcome of every query."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from input_pipeline.whole_files import write_whole
from vlp.evaluation import Findings
from vlp.evaluation.outcomes import outcomes_to_bytes
from vlp.evaluation.page.around import around
from vlp.evaluation.page.evaluation import evaluation_page


def write_page(figures_file: Path, title: str, about: Mapping[str, str], findings: Findings) -> Path:
    """Writes NAME.html and NAME.npz beside NAME.json, and returns the page's path.

    The page of a run shows how it was trained, too, and the figures of earlier runs beside it.
    """
    write_whole(figures_file.with_suffix(".npz"), outcomes_to_bytes(findings.outcomes))
    page = figures_file.with_suffix(".html")
    write_whole(
        page, evaluation_page(title, about, findings, around(figures_file, findings.figures)).encode()
    )
    return page
