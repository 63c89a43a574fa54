"""Fit how a figure of runs grows: --job=scaling RUN RUN ... --config.scaling.figure=NAME"""

from __future__ import annotations

import json
from pathlib import Path

from input_pipeline.whole_files import write_whole
from vlp.configuration import ConfigError
from vlp.evaluation.comparison.runs import read_run
from vlp.evaluation.comparison.scaling import AHEAD, fits_of, points_of
from vlp.evaluation.page.scaling import fit_rows, scaling_page
from vlp.jobs import JobOptions

NEEDS = ()
WRITES = ("file",)
TAKES_PATHS = True


def run(options: JobOptions) -> int:
    """Reads the runs, prints the fits, and writes them as JSON with a page beside.

    Raises:
      ConfigError: no run or no figure is named, a run cannot be read or lacks it, or all are of one size.
    """
    settings = options.config.scaling
    if not options.paths or not settings.figure:
        raise ConfigError(
            "--job=scaling needs runs and a figure: --job=scaling RUN RUN ... --config.scaling.figure=NAME, where each "
            "run is a workdir, or its evaluations/NAME.json"
        )
    try:
        points = points_of([read_run(path) for path in options.paths], settings.figure, settings.by)
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from error
    fits = fits_of(points, seed=settings.seed)
    output = Path(options.output or "runs/scaling.json")
    page = output.with_suffix(".html")
    content = {
        "figure": settings.figure,
        "by": settings.by,
        "points": [point._asdict() for point in points],
        "fits": [
            {
                "form": fit.form,
                "coefficients": {name: one._asdict() for name, one in fit.coefficients.items()},
                "error": fit.error,
                "foreseen": {"size": AHEAD * points[-1].size, **fit.foreseen._asdict()},
                "remark": fit.remark,
            }
            for fit in fits
        ],
    }
    write_whole(output, (json.dumps(content, indent=1) + "\n").encode())
    write_whole(page, scaling_page(settings.figure, settings.by, points, fits).encode())
    for row in (row for fit in fits for row in fit_rows(fit)):
        print(f"{row[0]:<14} {row[1]:<16} {row[2]:>10}   {row[3]}")
    for fit in fits:
        if fit.remark:
            print(f"{fit.form}: {fit.remark}")
    print(f"fits: {output}   to look at: {page}")
    return 0
