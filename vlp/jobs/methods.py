"""List the published methods that are here, with commands and tests; --output=FILE.json writes them."""

from __future__ import annotations

import json
from pathlib import Path

from input_pipeline.whole_files import write_whole
from vlp.configuration import ConfigError
from vlp.jobs import JobOptions
from vlp.methods import filled, methods

NEEDS = ()
WRITES = ("file",)
METHODS = [
    {
        "paper": "A Survey of the Self Supervised Learning Mechanisms for Vision Transformers (its families)",
        "arxiv": "2408.17059",
        "family": "evaluation",
        "check": "tests/test_methods.py::test_every_family_that_trains_has_a_recipe",
    },
]


def run(options: JobOptions) -> int:
    """Prints a line for each method, or writes all about them: to FILE.json, or into the marked blocks of FILE.md.

    Raises:
      ConfigError: the output is neither, or has no block to fill.
    """
    found, output = methods(), Path(options.output)
    if not options.output:
        for one in found:
            print(f"{one.family:<17} {one.arxiv or '-':<11} {one.config:<40} {one.paper}")
        return 0
    if output.suffix == ".json":
        text = json.dumps([one._asdict() for one in found], indent=1, ensure_ascii=False) + "\n"
    elif output.suffix == ".md" and output.is_file():
        try:
            text = filled(output.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"--output={output}: {error}") from error
    else:
        raise ConfigError(
            f"--output={output}: name a .json file to write, or a .md file with a block to fill"
        )
    write_whole(output, text.encode())
    print(f"{output}: {len(found)} methods")
    return 0
