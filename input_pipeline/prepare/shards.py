"""Shards, and the manifest that vouches for them: what it names is complete, what it does not name is not there.

OUTPUT/manifest.jsonl      a line for the conversion, one for each shard, one when all is done
OUTPUT/00000.array_record  a shard, under this name only when it is whole
OUTPUT/fingerprints.bin    of the records in the shards, in order: how an interrupted conversion remembers
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.prepare.fingerprint import BYTES, Fingerprints
from input_pipeline.whole_files import sync_names

_OPTIONS = "group_size:1,uncompressed"  # each record by itself: shuffled reading; images do not compress


class ShardWriter:
    """Finished shards in a folder, and the one that is being written."""

    def __init__(self, folder: Path, conversion: Mapping[str, Any]) -> None:
        """Opens a folder, new or left by an interrupted conversion.

        Args:
          folder: to write into; made if it is not there.
          conversion: what decides about the shards' bytes, plain JSON.

        Raises:
          ValueError: the folder holds another conversion, has lost a shard, or another process writes into it.
        """
        self.folder = folder
        self.lines: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._manifest = _lock(folder / "manifest.jsonl")
        self._read_lines(json.loads(json.dumps(conversion)))
        for line in self.lines[1:]:
            self._check(line)
        self._partial = folder / "unfinished"
        self._writer: Any = None
        self._fingerprints: list[bytes] = []

    def close(self) -> None:
        """Leaves an unfinished shard behind, to be written anew, and lets others at the folder."""
        if self._writer is not None:
            with contextlib.suppress(RuntimeError):  # on a full disk it cannot, which was said before
                self._writer.close()
        self._manifest.close()

    @property
    def count(self) -> int:
        """Finished shards."""
        return sum("file" in line for line in self.lines)

    @property
    def complete(self) -> bool:
        return bool(self.lines[-1].get("complete"))

    @property
    def progress(self) -> dict[str, Any] | None:
        """Returns what the last `finish` was given; None for a new folder."""
        return self.lines[-1].get("progress")

    @property
    def records(self) -> int:
        """The number of records in the shard that is being written."""
        return len(self._fingerprints)

    def fingerprints(self) -> Fingerprints:
        """Returns those of the records in all finished shards."""
        count = sum(line.get("records", 0) for line in self.lines)
        file = self.folder / "fingerprints.bin"
        file.touch()
        os.truncate(
            file, min(BYTES * count, file.stat().st_size)
        )  # an interrupted `finish` may have added more
        rows = np.fromfile(file, np.uint8)
        if len(rows) != BYTES * count:
            raise UserError(
                f"{file} has {len(rows)} bytes for {count} records, not {BYTES} each: remove {self.folder}"
            )
        return rows.reshape(count, BYTES)

    def write(self, data: bytes, fingerprint: bytes) -> None:
        """Adds a record to the shard that is being written."""
        if self._writer is None:
            from array_record.python.array_record_module import ArrayRecordWriter

            self._writer = ArrayRecordWriter(str(self._partial), _OPTIONS)
        self._writer.write(data)
        self._fingerprints.append(fingerprint)

    def finish(self, progress: Mapping[str, Any]) -> None:
        """Completes the shard that is being written, and has the manifest say how far the conversion is."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        path = self.folder / f"{self.count:05d}.array_record"
        line = {"file": path.name, **_describe(self._partial), "records": self.records, "progress": progress}
        with open(self.folder / "fingerprints.bin", "ab") as file:
            file.write(b"".join(self._fingerprints))
            os.fsync(file.fileno())
        self._partial.rename(path)
        sync_names(self.folder)
        self._fingerprints = []
        self._add_line(line)

    def complete_with(self, progress: Mapping[str, Any]) -> None:
        """Has the manifest say that nothing is missing."""
        self._partial.unlink(missing_ok=True)  # of an interrupted call, where nothing was left to be kept
        self._add_line({"complete": True, "progress": progress})

    def _read_lines(self, conversion: dict[str, Any]) -> None:
        whole = self._manifest.read().rpartition(b"\n")[0]
        self.lines = [json.loads(line) for line in whole.splitlines()]
        self._manifest.truncate(
            len(whole) + 1 if self.lines else 0
        )  # a line that was cut by the interruption
        if not self.lines:
            others = [file.name for file in self.folder.iterdir() if file.suffix == ".array_record"]
            if others:
                raise UserError(
                    f"{self.folder} holds shards of another origin, such as {others[0]}: use a new folder"
                )
            self._add_line({"conversion": conversion})
        there = self.lines[0]["conversion"]
        changed = [key for key in conversion if conversion[key] != there.get(key)]
        if changed:
            key = changed[0]
            raise UserError(
                f"{self.folder} holds a conversion with {key}={there.get(key)!r}, not {conversion[key]!r}: "
                "use a new folder, or the same settings to go on"
            )

    def _check(self, line: Mapping[str, Any]) -> None:
        if "file" in line:
            path = self.folder / line["file"]
            size = path.stat().st_size if path.exists() else 0
            if size != line["bytes"]:
                raise UserError(
                    f"{path} has {size} bytes, its manifest says {line['bytes']}: remove {self.folder}"
                )

    def _add_line(self, line: Mapping[str, Any]) -> None:
        self._manifest.seek(0, os.SEEK_END)
        self._manifest.write(json.dumps(line).encode() + b"\n")
        self._manifest.flush()
        os.fsync(self._manifest.fileno())
        self.lines.append(dict(line))


def _lock(path: Path) -> Any:
    file = open(path, "a+b")  # noqa: SIM115 - open for as long as the lock is held
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise UserError(f"another process is writing into {path.parent}: wait for it or stop it") from None
    file.seek(0)
    return file


def _describe(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file that has reached the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
