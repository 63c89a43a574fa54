"""Files of weights: damaged, hostile or of another kind, they are refused in one line that names them."""

from __future__ import annotations

import json
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from vlp.interop.files import read_weights
from vlp.interop.mapping import entry, read

torch = pytest.importorskip("torch", reason="torch is a peer, not a dependency")
ONE = {"a": np.ones((2, 3), np.float32)}
INDEX = "model.safetensors.index.json"


def index(folder: Path, content: Any) -> Path:
    (folder / INDEX).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def outside(folder: Path) -> Path:
    save_file(ONE, folder.parent / "elsewhere.safetensors")
    return index(folder, {"weight_map": {"a": "../elsewhere.safetensors"}})


def absolute(folder: Path) -> Path:
    save_file(ONE, folder.parent / "elsewhere.safetensors")
    return index(folder, {"weight_map": {"a": str(folder.parent / "elsewhere.safetensors")}})


def torchscript(folder: Path) -> Path:
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 3)), folder / "model.pt")
    return folder


def pickled(content: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        torch.save(content, folder / "model.pt")
        return folder

    return write


def written(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder

    return write


def bomb(folder: Path) -> Path:
    np.savez_compressed(folder / "model.npz", a=np.zeros(10_000_000, np.float32))
    return folder


def objects(folder: Path) -> Path:
    np.savez(folder / "model.npz", a=np.array([{}], object))
    return folder


def cut_archive(folder: Path) -> Path:
    np.savez(folder / "model.npz", **ONE)
    data = (folder / "model.npz").read_bytes()
    (folder / "model.npz").write_bytes(data[: len(data) // 2])
    return folder


def text_in_an_archive(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "model.npz", "w") as archive:
        archive.writestr("a.npy", "no array")
    return folder


class Hostile:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched"),)


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "an index that leads out": (
        outside,
        rf"{INDEX} names \.\./elsewhere\.safetensors, which is no file of its own",
    ),
    "an index with a path": (absolute, "which is no file of its own folder"),
    "an index without a map": (lambda folder: index(folder, {}), "no weight_map"),
    "an index with a list": (
        lambda folder: index(folder, {"weight_map": [1]}),
        "weight_map=.* only an object",
    ),
    "an index of numbers": (lambda folder: index(folder, {"weight_map": {"a": 5}}), "has no such file"),
    "an index of nothing": (lambda folder: index(folder, "[]"), f"{INDEX} holds no JSON object"),
    "a deep index": (lambda folder: index(folder, "[" * 100_000), f"{INDEX} holds no JSON that can be read"),
    "a missing shard": (
        lambda folder: index(folder, {"weight_map": {"a": "b.safetensors"}}),
        "names b.safetensors",
    ),
    "no weights": (lambda folder: folder, "neither .safetensors nor .npz"),
    "an empty file": (written("model.safetensors", b""), "model.safetensors is damaged"),
    "a wrong header": (written("model.safetensors", struct.pack("<Q", 1 << 62) + b"{}"), "is damaged"),
    "a bomb": (bomb, "model.npz is damaged: it unpacks to 400"),
    "objects": (objects, "model.npz is damaged: .*allow_pickle=False"),
    "half an archive": (cut_archive, "model.npz is damaged"),
    "no archive": (written("model.npz", b"PK nothing"), "model.npz is damaged"),
    "an archive of text": (text_in_an_archive, "model.npz is damaged: a is no array of numbers"),
    "TorchScript": (
        torchscript,
        r"model.pt is a TorchScript archive.*torch.jit.load\('model.pt'\).state_dict\(\)",
    ),
    "no pickle": (written("model.pt", b"text"), r"model\.pt cannot be read as tensors alone: \w+"),
    "a program": (
        pickled({"a": Hostile()}),
        r"model\.pt cannot be read as tensors alone: Weights only load failed$",
    ),
    "a list": (pickled([torch.ones(2)]), "model.pt holds a list in the place of tensors by name"),
    "a number": (pickled({"a": 3}), "model.pt: a is no plain tensor but a int"),
    "a sparse tensor": (pickled({"a": torch.eye(2).to_sparse()}), "a is no plain tensor"),
    "complex numbers": (pickled({"a": torch.ones(2, dtype=torch.complex64)}), "a is no plain tensor"),
    "doubles": (pickled({"a": torch.tensor([0.1], dtype=torch.float64)}), "a is in double precision"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_file_of_weights_is_named(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, message = REFUSED[kind]
    folder = tmp_path / "theirs"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        read_weights(write(folder), unpickle=True)
    assert len(str(caught.value)) < 500 and "weights_only=False" not in str(caught.value)
    assert not (tmp_path / "touched").exists()


def test_a_pickle_s_tensors_come_as_they_are(tmp_path: Path) -> None:
    tensors = {
        "module.half": torch.tensor([1.5], dtype=torch.bfloat16),
        "module.eighth": torch.tensor([0.5]).to(torch.float8_e4m3fn),
        "count": torch.tensor(3),
    }
    torch.save({"epoch": 1, "state_dict": tensors}, tmp_path / "epoch_1.pt")
    read = read_weights(tmp_path / "epoch_1.pt", unpickle=True)
    assert {name: (x.dtype.name, x.tolist()) for name, x in read.items()} == {
        "half": ("float32", [1.5]),
        "eighth": ("float32", [0.5]),
        "count": ("int64", 3),
    }


def test_a_pickle_is_only_read_where_somebody_insists(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "model.pt")
    for source in (tmp_path, tmp_path / "model.pt"):
        with pytest.raises(ValueError, match=r"insist with --config\.interop\.unpickle=True"):
            read_weights(source)
        assert read_weights(source, unpickle=True)["a"].tolist() == [1]


def test_shards_are_one(tmp_path: Path) -> None:
    for name, value in (("one", 1.0), ("two", 2.0)):
        save_file({name: np.full(2, value, np.float32)}, tmp_path / f"{name}.safetensors")
    index(tmp_path, {"weight_map": {"one": "one.safetensors", "two": "two.safetensors"}})
    assert {name: x.tolist() for name, x in read_weights(tmp_path).items()} == {"one": [1, 1], "two": [2, 2]}
    (tmp_path / "linked").mkdir()
    for path in tmp_path.glob("*.*"):  # as the Hub's cache keeps them
        (tmp_path / "linked" / path.name).symlink_to(path)
    assert read_weights(tmp_path / "linked").keys() == {"one", "two"}


def test_names_by_the_hundred_thousand_are_refused_at_once() -> None:
    tensors = {f"name {place}": np.zeros((), np.float32) for place in range(100_000)}
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"left over: name 1, .* and 99991 more"):
        read([entry("a", "name0")], {**tensors, "name0": tensors["name 0"]}, ["name 0"])
    assert time.perf_counter() - start < 60


def test_an_archive_and_a_folder_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "model.npz", **ONE)
    np.testing.assert_array_equal(read_weights(tmp_path)["a"], ONE["a"])
    shutil.copy(tmp_path / "model.npz", tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"several files of weights \(model\.npz, other\.npz\)"):
        read_weights(tmp_path)
    save_file(ONE, tmp_path / "model.safetensors")
    assert load_file(tmp_path / "model.safetensors").keys() == read_weights(tmp_path).keys()


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_numbers_come_in_single_precision_where_that_holds_them(kind: str, tmp_path: Path) -> None:
    tensors = {
        "half": np.asarray([1.5], np.float16),
        "double": np.asarray([0.5, np.nan]),
        "whole": np.asarray([7], np.int64),
        "flag": np.asarray([True]),
    }
    path = tmp_path / f"model.{kind}"
    if kind == "npz":
        np.savez(path, **tensors)
    else:
        save_file(tensors, path)
    found = read_weights(path)
    assert {name: x.dtype.name for name, x in found.items()} == {
        "half": "float32", "double": "float32", "whole": "int64", "flag": "bool"
    }  # fmt: skip
    assert found["half"].tolist() == [1.5] and found["double"][0] == 0.5 and found["whole"].tolist() == [7]


def test_an_open_clip_file_comes_before_others_and_one_index_before_its_shards(tmp_path: Path) -> None:
    save_file(ONE, tmp_path / "model.safetensors")
    save_file({"own": ONE["a"]}, tmp_path / "open_clip_model.safetensors")
    assert list(read_weights(tmp_path)) == ["own"]
    save_file(ONE, tmp_path / "open_clip_other.safetensors")
    with pytest.raises(ValueError, match="several files of weights"):
        read_weights(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"notes.txt: weights are .safetensors or .npz files"):
        read_weights(tmp_path / "notes.txt")
