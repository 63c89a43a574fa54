"""Keep a page of a run that is under way: --job=watch --workdir=WORKDIR"""

from __future__ import annotations

import time
from pathlib import Path

from input_pipeline.whole_files import write_whole
from vlp.configuration import ConfigError
from vlp.evaluation.comparison.runs import read_curves, read_run
from vlp.evaluation.page.watch import SAMPLES, read_samples, watch_page
from vlp.jobs import JobOptions
from vlp.processes.home import Home

NEEDS = ()
WRITES = ("file", "workdir")
OPTIONS = {"seconds": (10, "between two looks at the run; 0 = one look")}


def run(options: JobOptions) -> int:
    """Writes WORKDIR/watch.html, or --output, again and again until the run has made all of its steps.

    It reads the files of the workdir alone: it needs neither the run's machine nor an accelerator, and may be stopped
    and started at any time.

    Raises:
      ConfigError: there is no run, or a file of it is not what its name says.
    """
    seconds = options.own["seconds"]
    if seconds < 0:
        raise ConfigError(f"--seconds={seconds} must be at least 0")
    page = Path(options.output or options.workdir / "watch.html")
    shown = options.output or f"{options.home}/watch.html"
    try:
        ended = _look(options.home, page, seconds)
        print(
            f"to look at: {shown}" + (f", anew every {seconds} s" if seconds and not ended else ""),
            flush=True,
        )
        while seconds and not ended:
            time.sleep(seconds)
            options.home.fetch()
            ended = _look(options.home, page, seconds)
    except KeyboardInterrupt:
        pass
    except (ValueError, OSError) as error:
        said = str(error).replace(str(options.home.folder), str(options.home))  # which may be an address
        raise ConfigError(said) from error
    return 0


def _look(home: Home, page: Path, seconds: int) -> bool:
    """Writes the page once. Returns whether the run has made its last step."""
    workdir = home.folder
    found = read_run(str(workdir))
    timings = read_curves(workdir / "timings.jsonl")
    log = workdir / "metrics.jsonl"
    ago = max(0.0, time.time() - log.stat().st_mtime) if log.exists() else 0.0
    refresh = 0 if found.finished else seconds
    samples = read_samples(workdir / SAMPLES)
    write_whole(page, watch_page(found, timings, ago=ago, refresh=refresh, samples=samples).encode())
    home.bring()
    return found.finished
