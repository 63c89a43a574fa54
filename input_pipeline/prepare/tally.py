"""What became of the records, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from input_pipeline.prepare.convert import Converted

_EXAMPLES = 5  # of each reason


@dataclass
class Tally:
    """Counts over the records seen so far; plain numbers, so that a manifest can keep them.

    Attributes:
      kept, duplicates: records; without_caption: of those kept.
      joined: rows whose captions went to the record before, which shows the same image.
      captions_left_out: with the duplicates.
      dropped: records by reason, and `examples` of each.
      changes: what happened to the kept images: unchanged, re-encoded, resized.
      sides: kept images by the longer side they had, under the power of two that it does not exceed.
      bytes_before, bytes_after: of the kept images.
    """

    kept: int = 0
    duplicates: int = 0
    joined: int = 0
    captions_left_out: int = 0
    without_caption: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    sides: dict[str, int] = field(default_factory=dict)
    bytes_before: int = 0
    bytes_after: int = 0

    def drop(self, reason: str, detail: str) -> None:
        """Counts a record that cannot be used."""
        _count(self.dropped, reason)
        examples = self.examples.setdefault(reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(detail)

    def leave_out(self, record: Converted) -> None:
        """Counts a near-duplicate, and what it says."""
        self.duplicates += 1
        self.captions_left_out += record.captions

    def keep(self, record: Converted) -> None:
        """Counts a record that is written."""
        self.kept += 1
        self.without_caption += not record.captions
        _count(self.changes, record.change)
        _count(self.sides, str(1 << (record.side - 1).bit_length()))
        self.bytes_before += record.bytes_before
        self.bytes_after += record.bytes_after

    @property
    def seen(self) -> int:
        return self.kept + self.joined + self.duplicates + sum(self.dropped.values())

    def losses(self) -> str:
        """Returns what was left out, in words."""
        counts: Mapping[str, int] = {
            **self.dropped,
            **({"duplicates": self.duplicates} if self.duplicates else {}),
        }
        return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1
