"""What files a path means, and what their names say."""

from __future__ import annotations

from pathlib import Path

import pytest

from input_pipeline.sources.paths import find_files, has_suffix, is_split, split_of


@pytest.mark.parametrize(
    ("name", "suffix", "known"),
    [
        ("a.TSV", ".tsv", True),
        (".a.tsv", ".tsv", False),  # what an editor or a file system left
        ("a.tsv-00000-of-00010", ".tsv", True),
        ("a.tsv-0-of-10", ".tsv", False),
        ("a.tsv.gz", ".tsv", False),
    ],
)
def test_a_file_is_known_by_its_ending(name: str, suffix: str, known: bool) -> None:
    assert has_suffix(name, (".x", suffix)) == known


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000.tar", "train"),
        ("Training", "train"),
        ("val_2", "validation"),
        ("dev.csv", "validation"),
        ("testing.csv", "test"),
        ("trainer.csv", ""),
        ("my-train.csv", ""),
        ("2019", ""),
    ],
)
def test_a_split_is_the_first_word_of_a_name(name: str, split: str) -> None:
    assert split_of(name) == split
    assert is_split(name) == (name == "Training")


def test_files_of_a_folder_a_split_a_pattern_and_a_range(tmp_path: Path) -> None:
    names = ["train-08.csv", "train-09.csv", "train-10.csv", "val-1.csv", ".train-11.csv", "train.txt"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "train-12.csv").mkdir()

    def found(path: str) -> list[str]:
        return [file.name for file in find_files(f"{tmp_path}/{path}", ".csv")]

    assert found("train") == found("train-*.csv") == found("train-{08..10}.csv") == names[:3]
    assert found("VAL") == ["val-1.csv"]
    for path, said in {
        "": r"holds several splits, train \(3\) and validation \(1\): name one as .*/train,",
        "test": r"no file, folder with \*\.csv files or pattern match at",
        "a-{3..2}.csv": "the range in .* is empty",
    }.items():
        with pytest.raises(ValueError, match=said):
            found(path)
