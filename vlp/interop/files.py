"""Weights of other projects on disk: safetensors, NumPy archives, and pickles where somebody insists."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from vlp.interop import fields
from vlp.interop.mapping import Tensors
from vlp.interop.tokenizer_files import read_json

LARGEST_RATIO = 100  # of what an archive unpacks to to its own size: weights are noise, which does not shrink
PICKLES = (".bin", ".pt", ".pth")
INDEX = "*.safetensors.index.json"


def read_weights(source: Path, *, unpickle: bool = False) -> Tensors:
    """Returns all tensors of a file, or of the one set of weights in a folder, as float32.

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
        return _shards(indices[0])
    for suffixes in ((".safetensors",), (".npz",), PICKLES):
        found = sorted(path for path in folder.iterdir() if path.suffix in suffixes)
        if len(found) == 1:
            return found
        if found:
            names = ", ".join(path.name for path in found)
            raise UserError(f"{folder} has several files of weights ({names}): name one with --source")
    raise UserError(f"{folder} has no weights: neither .safetensors nor .npz")


def _shards(index: Path) -> list[Path]:
    """The files that an index names, which are files beside it and nothing else."""
    names = set(map(str, fields.part(read_json(index), "weight_map", f"{index}: ").values()))
    if not names:
        raise UserError(f"{index} names no file of weights: it has no weight_map")
    for name in sorted(names):
        if Path(name).name != name:
            raise UserError(f"{index} names {name}, which is no file of its own folder")
        if not (index.parent / name).is_file():
            raise UserError(f"{index} names {name}, but {index.parent} has no such file")
    return [index.parent / name for name in sorted(names)]


def _read(file: Path, *, unpickle: bool) -> Tensors:
    if not file.is_file():
        raise UserError(f"{file} is no file")
    if file.suffix == ".safetensors":
        return _safetensors(file)
    if file.suffix == ".npz":
        return _archive(file)
    if file.suffix in PICKLES:
        return _pickle(file, unpickle=unpickle)
    raise UserError(f"{file}: weights are .safetensors or .npz files")


def _safetensors(file: Path) -> Tensors:
    import ml_dtypes
    from safetensors import SafetensorError, deserialize

    types = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
             "I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_}  # fmt: skip
    try:
        content = deserialize(file.read_bytes())
    except SafetensorError as error:
        raise UserError(f"{file} is damaged: {error}") from None
    tensors = {}
    for name, tensor in content:
        if tensor["dtype"] not in types:
            raise UserError(f"{file}: {name} is of type {tensor['dtype']}, which is not read")
        tensors[name] = np.frombuffer(tensor["data"], types[tensor["dtype"]]).reshape(tensor["shape"])
    return tensors


def _archive(file: Path) -> Tensors:
    """The arrays of a NumPy archive that is no more than it seems to be."""
    try:
        with zipfile.ZipFile(file) as listing:
            unpacked = sum(member.file_size for member in listing.infolist())
        if unpacked > LARGEST_RATIO * file.stat().st_size:
            raise UserError(f"it unpacks to {unpacked} bytes")
        with np.load(file, allow_pickle=False) as archive:
            tensors = dict(archive)
        other = [
            name for name, x in tensors.items() if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiub"
        ]
        if other:
            raise UserError(f"{other[0]} is no array of numbers")
        return tensors
    # What a damaged zip file raises is not said anywhere: among the rest zlib.error, EOFError and NotImplementedError.
    except (Exception, MemoryError) as error:
        raise UserError(f"{file} is damaged: {error or type(error).__name__}") from None


def _pickle(file: Path, *, unpickle: bool) -> Tensors:
    if not unpickle:
        raise UserError(
            f"{file.name} is a pickle, which may run anything when it is read: convert it to safetensors, or insist "
            "with --config.interop.unpickle=True, which reads tensors and nothing else"
        )
    if _is_torchscript(file):
        raise UserError(
            f"{file.name} is a TorchScript archive, which is a program: where you trust it, save what "
            f"torch.jit.load('{file.name}').state_dict() gives by safetensors.torch.save_file, and import that"
        )
    content = _unpickled(file)
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict):
        raise UserError(f"{file.name} holds a {type(content).__name__} in the place of tensors by name")
    return {str(name).removeprefix("module."): _array(file, name, tensor) for name, tensor in content.items()}


def _is_torchscript(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _unpickled(file: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise UserError(
            f"{file.name} is read by PyTorch, which is not installed: pip install torch"
        ) from None
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    # Whatever its bytes make the reader stumble over; its own advice is to run the pickle.
    except Exception as error:
        first = str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise UserError(f"{file.name} cannot be read as tensors alone: {first}") from None


def _array(file: Path, name: Any, tensor: Any) -> Any:
    import torch  # read already

    plain = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided and not tensor.is_quantized
    if not plain or tensor.is_complex():
        raise UserError(f"{file.name}: {name} is no plain tensor but a {type(tensor).__name__}")
    # NumPy has neither bfloat16 nor eight bits; float32 holds all of them exactly.
    short = tensor.is_floating_point() and tensor.dtype.itemsize < 4
    return (tensor.float() if short else tensor).detach().numpy()


def _float32(name: str, tensor: Any) -> Any:
    """Halves become singles, which hold them exactly; doubles that singles do not hold are refused."""
    if tensor.dtype.kind in "iub" or tensor.dtype == np.float32:
        return tensor
    single = tensor.astype(np.float32)
    if tensor.dtype == np.float64 and not np.array_equal(single, tensor, equal_nan=True):
        raise UserError(f"{name} is in double precision, which float32 does not hold")
    return single


def write_weights(tensors: Tensors, path: Path) -> None:
    """Writes a safetensors file that PyTorch's libraries read.

    Raises:
      OSError: the disk is full, or the like.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written: {error}") from error
