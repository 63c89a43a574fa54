"""Which checkpoints there are, by what their folders are called, and which may go."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlp.checkpoint import found, run_of
from vlp.checkpoint.folders import complete_steps, set_aside, steps_to_remove
from vlp.checkpoint.names import step_of


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("0", 0),
        ("12", 12),
        ("012", None),
        ("12.saving", None),
        ("-1", None),
        ("", None),
        ("٣", None),
        ("x", None),
    ],
)
def test_only_the_digits_that_a_step_is_written_with_name_it(name: str, step: int | None) -> None:
    assert step_of(name) == step


def test_steps_are_folders_in_their_own_order(tmp_path: Path) -> None:
    for name in ("9", "10", "8.damaged", "7.removing"):
        (tmp_path / name).mkdir()
    (tmp_path / "11").touch()
    assert complete_steps(tmp_path) == [9, 10]


@pytest.mark.parametrize(
    ("last", "every", "keep", "gone"),
    [
        (2, 0, (), [1, 2, 3]),
        (2, 2, (), [1, 3]),
        (1, 3, (1,), [2, 4]),
        (0, 0, (), [1, 2, 3, 4]),  # one stays whatever is said
        (9, 0, (), []),
    ],
)
def test_the_last_ones_multiples_and_those_in_use_stay(
    last: int, every: int, keep: tuple[int, ...], gone: list[int]
) -> None:
    assert steps_to_remove([5, 1, 2, 4, 3, 3], keep_last=last, keep_every=every, keep=keep) == gone


def test_a_damaged_one_is_set_aside_under_a_name_that_is_free(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        (tmp_path / "4").mkdir()
        names.append(set_aside(tmp_path / "4").name)
    assert names == ["4.damaged", "4.damaged2", "4.damaged3"]


def test_what_is_found_out_about_a_checkpoint_belongs_to_its_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for mark, step in (("manifest.json", "3"), ("description.json", "copy")):
        (run / "checkpoints" / step).mkdir(parents=True)
        (run / "checkpoints" / step / mark).touch()
        assert run_of(run / "checkpoints" / step) == run_of(run / "checkpoints") == run_of(run) == run
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "manifest.json").touch()
    assert run_of(tmp_path / "alone") == tmp_path


def test_copies_of_a_buckets_checkpoints_lie_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    monkeypatch.setattr(found, "fetched", lambda *given: asked.append(given) or tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for cache in ("", str(tmp_path / "cache")):
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
        found.find_checkpoint("s3://bucket/run", 3)
    roots = (tmp_path / "home" / ".cache", tmp_path / "cache")
    assert asked == [("s3://bucket/run", root / "vlp" / "checkpoints", 3) for root in roots]
