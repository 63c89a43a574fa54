"""Cluster embeddings of the config's sources and write each record's nearest centres as a side table."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from tqdm import tqdm

import vlp
from input_pipeline.whole_files import save_array, write_whole, writing_whole
from vlp.checkpoint import find_checkpoint
from vlp.clustering import Clustering, KMeans, Progress, cluster, nearest_centres
from vlp.configuration import ConfigError
from vlp.embeddings.encode import SHARD_RECORDS, Records, check_same_start, embed, require_rows
from vlp.embeddings.store import Embeddings, checkpoint_digest
from vlp.jobs import JobOptions
from vlp.jobs._place import place_of
from vlp.parallel.mesh import local_mesh
from vlp.processes.join import join
from vlp.runs.startup import configuring, mesh_of, use_compilation_cache

NEEDS = ("sources",)
TAKES = ("checkpoint",)
WRITES = ("folder", "workdir")
READS_MODEL = True


def run(options: JobOptions) -> int:
    """Encodes, clusters and writes; the same command again goes on where it was interrupted.

    Raises:
      ConfigError: no checkpoint, more clusters than records, or an output begun with something else.
    """
    settings = options.config.cluster
    if not options.checkpoint:
        raise ConfigError(
            "--job=cluster needs --checkpoint=PATH: a workdir, its checkpoints, or one step's folder"
        )
    output = Path(options.output or place_of(options) / "clusters")
    use_compilation_cache()
    with configuring():
        join(options.config.distributed)
        mesh = mesh_of(options.config)
        embeddings, records = _embed(options, settings.feature, output)
        found = _cluster(embeddings, settings, mesh, output)
    assigned = nearest_centres(embeddings, found.centres, settings.nearest, kmeans_settings(settings), mesh)
    if jax.process_index():
        deque(assigned, maxlen=0)  # all take part in the search; the first writes what it finds
        return 0
    nearest = (ids for ids, _ in assigned)
    written, repeated = _write_tables(embeddings, records, found, settings, nearest, output)
    summary = {
        "settings": settings.to_dict(),
        "records": written,
        "skipped": dict(sorted(embeddings.skipped.items())),
        "repeated_ids": repeated,
        "objective": list(found.objective),
        "empty_clusters": list(found.empty),
        "converged": found.converged,
    }
    write_whole(output / "clusters.json", (json.dumps(summary, indent=2) + "\n").encode())
    print(f"{settings.k} clusters of {written} records, {_left_out(embeddings, repeated)}; in {output}:")
    columns = "source, id" if len(records.sources) > 1 else "id"
    print(f"  centres.npy, clusters.parquet ({columns}, cluster_ids), clusters.json")
    return 0


def _embed(options: JobOptions, feature: str, output: Path) -> tuple[Embeddings, Records]:
    folder = find_checkpoint(options.checkpoint)
    model = vlp.load(folder, mesh=local_mesh())
    data = options.config.data if options.config_argument else model.config.data
    records = Records(data.sources, data.text, model.preprocessing, feature)
    begun_with = {
        "checkpoint": checkpoint_digest(folder),
        "feature": feature,
        "sources": {
            name: [path, size]
            for path, (name, size) in zip(records.paths, records.sizes.items(), strict=True)
        },
        "choice of texts": json.loads(json.dumps(data.text.to_dict())) if feature != "image" else {},
    }
    folder = output / "embeddings"
    check_same_start(folder, begun_with)
    process = (jax.process_index(), jax.process_count())
    total = sum(map(len, records.shards(SHARD_RECORDS, process).values()))
    with tqdm(total=total, desc="encoding", unit=" records", disable=None) as bar:
        embed(records, model, folder, threads=data.threads, process=process, report=bar.update)
    if process[1] > 1:
        multihost_utils.sync_global_devices("all embeddings are written")
    return require_rows(Embeddings(folder)), records


def _cluster(embeddings: Embeddings, settings: Any, mesh: Mesh, output: Path) -> Clustering:
    def report(progress: Progress) -> None:
        if jax.process_index() == 0:
            tqdm.write(
                f"iteration {progress.iteration}/{settings.iterations}  objective {progress.objective:.6g}  "
                f"empty {progress.empty}"
            )

    return cluster(embeddings, kmeans_settings(settings), mesh, folder=output, report=report)


def kmeans_settings(settings: Any) -> KMeans:
    """Returns the k-means that the section `cluster` of a config describes."""
    names = ("k", "iterations", "init", "spherical", "seed", "chunk_points", "chunk_centres")
    return KMeans(**{name: settings[name] for name in names})


def _write_tables(
    embeddings: Embeddings,
    records: Records,
    found: Clustering,
    settings: Any,
    nearest: Iterator[np.ndarray],
    output: Path,
) -> tuple[int, int]:
    """Writes centres and tables; returns how many records they have and how many came with an id seen before."""
    _write_array(output / "centres.npy", found.centres)
    names = _Names(embeddings, records)
    counts = _write_table(output / "clusters.parquet", "cluster_ids", names, nearest)
    if settings.write_embeddings:
        count, step = embeddings.shape[0], settings.chunk_points
        rows = (embeddings[start : start + step] for start in range(0, count, step))
        _write_table(output / "embeddings.parquet", "embedding", names, rows)
    return counts


class _Names:
    """What the rows of embeddings are called: by ids and, where there are several sources, by these as well."""

    def __init__(self, embeddings: Embeddings, records: Records) -> None:
        self.columns = ("source", "id") if len(records.sources) > 1 else ("id",)
        self._embeddings, self._records = embeddings, records

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        if self.columns == ("id",):
            return zip(self._embeddings.ids(), strict=True)
        return zip(
            map(self._records.source_of, self._embeddings.records()), self._embeddings.ids(), strict=True
        )


def _write_table(path: Path, name: str, names: _Names, chunks: Iterable[np.ndarray]) -> tuple[int, int]:
    """A side table: what names a record, and a list. Of records with the same name the first is kept."""
    named, seen, total, writer = iter(names), set[tuple[str, ...]](), 0, None
    with writing_whole(path) as file:
        for rows in chunks:
            total += len(rows)
            new, kept = _unseen(list(itertools.islice(named, len(rows))), rows, seen)
            columns = {column: [one[place] for one in new] for place, column in enumerate(names.columns)}
            table = pa.table({column: pa.array(values, pa.string()) for column, values in columns.items()})
            table = table.append_column(name, _lists(kept))
            writer = writer or pq.ParquetWriter(file, table.schema)
            writer.write_table(table)
        assert writer is not None  # there is at least one record
        writer.close()
    return len(seen), total - len(seen)


def _unseen(
    names: list[tuple[str, ...]], rows: np.ndarray, seen: set[tuple[str, ...]]
) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """The names that are not among those seen, which they join, and their rows."""
    first = {one: number for number, one in reversed([*enumerate(names)]) if one not in seen}
    new = sorted(first.values())
    seen.update(first)
    return [names[number] for number in new], rows[new]


def _lists(rows: np.ndarray) -> pa.ListArray:
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(rows.reshape(-1)))


def _left_out(embeddings: Embeddings, repeated: int) -> str:
    parts = [f"{count} {reason}" for reason, count in sorted(embeddings.skipped.items())]
    if repeated:
        parts.append(
            f"{repeated} with an id that came before in their source (name a column of unique ids in its columns)"
        )
    return f"left out: {', '.join(parts)}" if parts else "none left out"


def _write_array(path: Path, array: np.ndarray) -> None:
    with writing_whole(path) as file:
        save_array(file, array)
