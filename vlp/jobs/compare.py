"""Compare finished runs over their seeds: --job=compare RUN RUN ..."""

from __future__ import annotations

from pathlib import Path

from input_pipeline.whole_files import write_whole
from vlp.configuration import ConfigError
from vlp.evaluation.comparison.comparison import compare
from vlp.evaluation.comparison.report import comparison_markdown
from vlp.evaluation.comparison.runs import read_run
from vlp.evaluation.page.comparison import comparison_page
from vlp.jobs import JobOptions

NEEDS = ()
WRITES = ("file",)
TAKES_PATHS = True


def run(options: JobOptions) -> int:
    """Reads the runs, prints the tables in Markdown, and writes them with a page of plots beside.

    Raises:
      ConfigError: no run is named, one cannot be read, or none is finished.
    """
    if not options.paths:
        raise ConfigError(
            "--job=compare needs runs: --job=compare RUN RUN ..., each a workdir, or its evaluations/NAME.json"
        )
    try:
        comparison = compare([read_run(path) for path in options.paths])
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from error
    output = Path(options.output or "runs/comparison.md")
    text, page = comparison_markdown(comparison), output.with_suffix(".html")
    write_whole(output, text.encode())
    write_whole(page, comparison_page(comparison).encode())
    print(text)
    print(f"tables: {output}   to look at: {page}")
    return 0
