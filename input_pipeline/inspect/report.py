"""A survey of a source, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 8  # of a histogram


def survey_table(name: str, figures: Mapping[str, Any]) -> str:
    """Returns a paragraph of aligned lines."""
    looked, used, records = (figures[key] for key in ("looked_at", "in_use", "records"))
    sampled = "all" if looked == used else f"a sample of {looked:,}, evenly spread"
    part = f"{used:,} of {records:,} in use" if used < records else f"{records:,}"
    lines = [("records", f"{part}; looked at: {sampled}"), ("usable", _share(figures["usable"], looked))]
    for reason, count in figures["bad"].items():
        lines.append((f"bad: {reason.replace('_', ' ')}", _share(count, looked)))
        lines += [("", example) for example in figures["bad_examples"][reason]]
    if "images" in figures:
        lines += _picture_lines(figures)
    if "captions" in figures:
        lines += _caption_lines(figures["captions"])
    return "\n".join([f"source '{name}'", *(f"  {left:<20} {right}" for left, right in lines), ""])


def _picture_lines(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    images, tags, labels = figures["images"], figures["tags"], figures["labels"]
    return [
        ("near-duplicates", _share(figures["near_duplicates"], figures["looked_at"])),
        ("formats", _histogram(images["formats"])),
        ("width", _distribution(images["width"], "px")),
        ("height", _distribution(images["height"], "px")),
        ("bytes an image", _distribution(images["bytes"], "")),
        ("tags", f"{tags['distinct']:,} distinct; {_histogram(tags['top'])}"),
        ("labels", f"{labels['distinct']:,} distinct; {_histogram(labels['top'])}"),
    ]


def _caption_lines(captions: Mapping[str, Any]) -> list[tuple[str, str]]:
    cut = f"{captions['truncated_share']:.1%} are cut at {captions['length']}"
    return [
        ("captions a record", _distribution(captions["per_record"], "")),
        ("of these usable", _distribution(captions["usable_per_record"], "")),
        ("tokens a caption", f"{_distribution(captions['tokens'], '')}; {cut}"),
        ("kinds", _histogram(captions["kinds"])),
        ("languages", _histogram(captions["languages"])),
    ]


def _share(count: int, whole: int) -> str:
    return f"{count:,} ({count / max(1, whole):.1%})"


def _distribution(figures: Mapping[str, float], unit: str) -> str:
    low, middle, high = (f"{figures[key]:,.0f}" for key in ("min", "median", "max"))
    return f"{low} to {high}{' ' * bool(unit)}{unit}, median {middle}, mean {figures['mean']:,.1f}"


def _histogram(counts: Mapping[str, int]) -> str:
    shown = [f"{name or '(none)'} {count:,}" for name, count in list(counts.items())[:_SHOWN]]
    return ", ".join(shown) + (", ..." if len(counts) > _SHOWN else "") or "none"
