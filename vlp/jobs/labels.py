"""Write the labels or tags of the config's sources to a file that numbers them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from input_pipeline.label_fields import Vocabulary
from input_pipeline.labels import count_labels, labels_text, read_labels
from input_pipeline.records import BadRecord
from input_pipeline.sources import Source, open_named
from input_pipeline.verified_labels import Hierarchy
from input_pipeline.whole_files import write_whole
from vlp.configuration import ConfigError
from vlp.jobs import JobOptions
from vlp.jobs._outputs import require_here, require_writable
from vlp.jobs._sources import asked_sources
from vlp.runs.startup import configuring

NEEDS = ()  # with --source, the config's own sources need not be there
TAKES = ("source",)
WRITES = ("file",)


def run(options: JobOptions) -> int:
    """Writes labels.json, which data.labels and data.texts read, and if asked a side table for data.tables.

    Raises:
      ConfigError: no output, or no label of enough records.
    """
    settings, output = options.config.labels, Path(options.output)
    if not options.output:
        raise ConfigError("--job=labels needs --output=PATH: the file to write, such as labels.json")
    if output.suffix != ".json":  # by which it is read
        raise ConfigError(f"--output={output}: name a .json file, such as {output.with_suffix('.json')}")
    if settings.table:
        require_here(f"--config.labels.table={settings.table}", settings.table, "file")
        require_writable(f"--config.labels.table={settings.table}", Path(settings.table).absolute(), "file")
    with configuring():
        sources = {name: open_named(name, entry) for name, entry in asked_sources(options).items()}
        text = labels_text(count_labels(list(sources.values()), settings.of), settings.of, settings.least)
        write_whole(output, text.encode())
        labels = read_labels(str(output))
    print(f"{output}: {len(labels)} labels, for data.labels and data.texts")
    if settings.table:
        places = {label: place for place, label in enumerate(labels)}
        vocabulary = Vocabulary("", settings.of, places, settings.most, None, Hierarchy())
        rows = write_table(Path(settings.table), sources, vocabulary)
        print(f"{settings.table}: {rows} rows, for data.tables.label_ids={{'path': '{settings.table}'}}")
    return 0


def write_table(path: Path, sources: dict[str, Source], vocabulary: Vocabulary) -> int:
    """Writes the columns `source`, `id` and `label_ids`, a list of numbers with -1 behind them; returns its rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(_rows(sources, vocabulary))
    numbers = np.concatenate([row[2] for row in rows])
    columns = {
        "source": [row[0] for row in rows],
        "id": [row[1] for row in rows],
        "label_ids": pa.FixedSizeListArray.from_arrays(pa.array(numbers), vocabulary.most),
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    write_whole(path, sink.getvalue().to_pybytes())
    return len(rows)


def _rows(sources: dict[str, Source], vocabulary: Vocabulary) -> Iterator[tuple[str, str, np.ndarray]]:
    for name, source in sources.items():
        for index in range(len(source)):
            try:
                record = source[index]
            except BadRecord:
                continue
            yield name, record.id, vocabulary.numbers(record)
