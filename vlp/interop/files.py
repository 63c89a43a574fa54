"""Weights of other projects on disk: safetensors, NumPy archives, and pickles where somebody insists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from vlp.interop.mapping import Tensors

PICKLES = (".bin", ".pt", ".pth")
INDEX = "*.safetensors.index.json"


def read_weights(source: Path, *, unpickle: bool = False) -> Tensors:
    """All tensors of a file, or of the one set of weights in a folder, as float32.

    Args:
      source: a .safetensors or .npz file, or a folder with one, perhaps in shards with an index.
      unpickle: whether a pickle may be read, where there is nothing else; nothing but tensors is unpickled.

    Raises:
      ValueError: there are none, or several, or only a pickle and nobody insists.
    """
    files = [source] if source.is_file() else _of_folder(source)
    tensors: Tensors = {}
    for file in files:
        tensors |= _read(file, unpickle=unpickle)
    return {name: _float32(name, tensor) for name, tensor in tensors.items()}


def _of_folder(folder: Path) -> list[Path]:
    indices, own = sorted(folder.glob(INDEX)), sorted(folder.glob("open_clip*.safetensors"))
    if len(own) == 1:  # such a folder may hold the same for transformers
        return own
    if len(indices) == 1:
        content = json.loads(indices[0].read_text(encoding="utf-8"))
        return [folder / name for name in sorted(set(content["weight_map"].values()))]
    for suffixes in ((".safetensors",), (".npz",), PICKLES):
        found = sorted(path for path in folder.iterdir() if path.suffix in suffixes)
        if len(found) == 1:
            return found
        if found:
            names = ", ".join(path.name for path in found)
            raise ValueError(f"{folder} has several files of weights ({names}): name one with --source")
    raise ValueError(f"{folder} has no weights: neither .safetensors nor .npz")


def _read(file: Path, *, unpickle: bool) -> Tensors:
    if not file.is_file():
        raise ValueError(f"the index names {file.name}, but {file.parent} has no such file")
    if file.suffix == ".safetensors":
        return _safetensors(file)
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    if file.suffix in PICKLES:
        return _pickle(file, unpickle=unpickle)
    raise ValueError(f"{file}: weights are .safetensors or .npz files")


def _safetensors(file: Path) -> Tensors:
    import ml_dtypes
    from safetensors import SafetensorError, deserialize

    types = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
             "I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_}  # fmt: skip
    try:
        content = deserialize(file.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged: {error}") from None
    tensors = {}
    for name, tensor in content:
        if tensor["dtype"] not in types:
            raise ValueError(f"{file}: {name} is of type {tensor['dtype']}, which is not read")
        tensors[name] = np.frombuffer(tensor["data"], types[tensor["dtype"]]).reshape(tensor["shape"])
    return tensors


def _pickle(file: Path, *, unpickle: bool) -> Tensors:
    if not unpickle:
        raise ValueError(
            f"{file.name} is a pickle, which may run anything when it is read: convert it to safetensors, or insist "
            "with --config.interop.unpickle=True, which reads tensors and nothing else"
        )
    import torch

    content: Any = torch.load(file, map_location="cpu", weights_only=True)
    content = content.get("state_dict", content)
    return {
        name.removeprefix("module."): tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
        for name, tensor in content.items()
    }


def _float32(name: str, tensor: Any) -> Any:
    """Halves become singles, which hold them exactly; doubles that singles do not hold are refused."""
    if tensor.dtype.kind in "iub" or tensor.dtype == np.float32:
        return tensor
    single = tensor.astype(np.float32)
    if tensor.dtype == np.float64 and not np.array_equal(single, tensor, equal_nan=True):
        raise ValueError(f"{name} is in double precision, which float32 does not hold")
    return single


def write_weights(tensors: Tensors, path: Path) -> None:
    """Writes a safetensors file that PyTorch's libraries read."""
    from safetensors.numpy import save_file

    save_file(tensors, path, metadata={"format": "pt"})
