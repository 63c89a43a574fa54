"""A task of a suite from its local copy to its figures: images are decoded once, and never held."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline.errors import UserError
from input_pipeline.known.benchmark_sets import class_names, split_folder, templates
from input_pipeline.known.layouts import Missing
from input_pipeline.known.winogavil import TABLE, associations
from input_pipeline.sources.guess import guess
from input_pipeline.whole_files import write_whole
from vlp.embeddings.encode import Records, embed, require_rows
from vlp.embeddings.sets import DumpedSet
from vlp.embeddings.store import Embeddings
from vlp.evaluation.suites import measured, measures
from vlp.evaluation.suites.measured import Classes, Measured
from vlp.evaluation.suites.tasks import Task
from vlp.model import Model
from vlp.runs.startup import usable_cores


class Copy(NamedTuple):
    """Says where a task's data lie: an entry as in `data.evaluation`, and the folder with what else there is of it."""

    entry: Mapping[str, Any]
    folder: Path


class Done(NamedTuple):
    """Holds what a task came to.

    Attributes:
      result: its figures.
      images: that were used.
      skipped: how many were left out, by reason.
    """

    result: Measured
    images: int
    skipped: Mapping[str, int]


def find_copy(task: Task, below: Path) -> Copy | None:
    """Returns the local copy of a task, None where there is none: a folder of tar files as CLIP_benchmark has them,
    WinoGAViL's, or of a set to retrieve in, one of any format.

    Raises:
      ValueError: a folder that is called as such a set, and holds nothing that is known.
    """
    for name in task.folders:
        folder = below / name
        if task.kind == "image_association" and (folder / TABLE).is_file():
            return Copy({"format": "known", "path": f"winogavil={folder}"}, folder)
        if any(folder.glob("*.tar")) or any((folder / "test").glob("*.tar")):
            return Copy({"format": "clip_benchmark", "path": str(folder)}, split_folder(folder).parent)
        if task.kind == "zeroshot_retrieval" and folder.is_dir():
            form, path = guess(str(folder))
            columns = {"captions": "caption|captions"} if form == "parquet" else {}
            return Copy({"format": form, "path": path, "columns": columns}, folder)
    return None


def records_of(task: Task, copy: Copy, model: Model) -> Records:
    """Returns the records of a task's copy, as the model sees them."""
    return Records({task.key: copy.entry}, {}, model.preprocessing, "image")


def measure(
    task: Task,
    copy: Copy,
    records: Records,
    model: Model,
    scratch: Path,
    *,
    batch_size: int,
    report: Callable[[int], None] = lambda count: None,
) -> Done:
    """Encodes the images of a task and measures it.

    Args:
      task: of a suite.
      copy: of `find_copy`.
      records: of `records_of`.
      model: with both towers.
      scratch: folder of embeddings, which are gone on with where they were interrupted, and removed at the end.
      batch_size: images encoded at a time.
      report: called with the number of records whenever more are done.

    Raises:
      ValueError: data that cannot be read, or do not have what the task needs.
    """
    _begin(scratch, records)
    embed(records, model, scratch, threads=usable_cores(), batch_rows=batch_size, report=report)
    embeddings = require_rows(Embeddings(scratch))
    notes, captions = embeddings.notes(), list[list[str]]()
    if task.kind == "zeroshot_retrieval":
        source = records.sources[task.key]
        captions = [[one.text for one in source[row].captions] for row in notes.records]
    images = DumpedSet(embeddings[:], notes.ids, captions, notes.labels, notes.tags, notes.groups, {})
    result = _measured(task, copy.folder, images, model)
    shutil.rmtree(scratch)
    return Done(result, len(notes.ids), dict(embeddings.skipped))


def _begin(scratch: Path, records: Records) -> None:
    """Removes what there is of other records, and writes down of which the embeddings are."""
    file = scratch / "begun_with.json"
    if scratch.exists() and not (file.exists() and json.loads(file.read_text()) == records.described):
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(records.described).encode())


def _measured(task: Task, folder: Path, images: DumpedSet, model: Model) -> Measured:
    if task.kind == "zeroshot_retrieval":
        return measured.retrieval(images, model)
    if task.kind == "image_association":
        try:
            return measured.association(images, model, associations(folder))
        except Missing as missing:
            raise UserError(f"{task.key}: looked for {missing}") from None
    classes = Classes(class_names(folder), templates(folder))
    ask = measured.faces if task.key in measures.FACES else measured.classification
    return ask(task, images, model, classes)
