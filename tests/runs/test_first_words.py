"""What a run says of its data before the first step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vlp.runs.first_words import BUNDLED, first_line, warnings


def run(batch_size: int, steps: int, paths: dict[str, str], **shares: tuple[int, float]) -> tuple[Any, Any]:
    sources = {name: {"path": path} for name, path in paths.items()}
    config = SimpleNamespace(batch_size=batch_size, steps=steps, data=SimpleNamespace(sources=sources))
    return config, SimpleNamespace(shares=lambda: shares)


def test_the_first_line_says_how_often_the_data_come() -> None:
    config, stream = run(100, 3000, {}, a=(1000, 0.25), b=(1_000_000, 0.75))
    words = "3,000 steps of 100 pairs: 0.23 passes over 'b' (1,000,000 records), 75 passes over 'a' (1,000 records)"
    assert first_line(config, stream) == words and warnings(config, stream) == []
    many = first_line(*run(100, 30, {}, **{f"s{number}": (10, 0.1) for number in range(10)}))
    assert many.endswith("and 6 more sources")


def test_a_batch_larger_than_its_data_and_very_many_passes_are_warned_of() -> None:
    config, stream = run(32_768, 10, {"a": "/data/a.tar"}, a=(3227, 1.0))
    (words,) = warnings(config, stream)
    assert "a batch of 32,768 holds 32,768 pairs of source 'a', which has 3,227 records" in words
    assert words.endswith("if that is not meant, name other data with --config.data.sources")
    (words,) = warnings(*run(64, 10**6, {"a": "data/quickstart/train.parquet"}, a=(3200, 1.0)))
    assert (
        "each of the 3,200 records of source 'a' 20,000 times; the bundled drawings are for first tries"
        in words
    )
    assert BUNDLED.is_dir()


def test_an_address_is_not_taken_for_the_bundled_data() -> None:
    (words,) = warnings(*run(64, 10**6, {"a": "gs://data/quickstart/a.tar"}, a=(3200, 1.0)))
    assert "bundled" not in words
