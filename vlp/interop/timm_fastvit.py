"""timm's FastViTs, the image towers of MobileCLIP: what shapes say, and the names in their weights.

Each convolution comes with branches and batch norms beside it, or as the one that they make together.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from vlp.interop import mapping
from vlp.interop.huggingface import layer, norm
from vlp.interop.mapping import Entry, Form, Tensors, entry, shape_of
from vlp.interop.timm_stems import EPSILON, batch_norm, cells, stage_depths
from vlp.models.families.fastvit import HEAD, Part, parts
from vlp.models.sizes import FASTVITS, convolution_size

NAMES = re.compile(r"fastvit_mci([0-4])")
NORM = ("weight", "bias", "running_mean", "running_var")


def known(name: str) -> bool:
    """Tells whether a tower of that name is one of ours."""
    return NAMES.fullmatch(name) is not None


def settings(name: str, tensors: Tensors, trunk: str = "") -> dict[str, Any]:
    """Returns our `model.image` for one of timm's FastViTs, without its resolution.

    Args:
      name: that timm has for it.
      tensors: all of the file's.
      trunk: what their names begin with.

    Raises:
      ValueError: its stages are of other depths than ours have.
    """
    size = f"MCi{name[-1]}"
    depths = stage_depths(tensors, trunk, len(FASTVITS[size][1]))
    if depths != FASTVITS[size][1] and len(set(depths)) > 1:
        raise UserError(
            f"the weights have {list(depths)} blocks in their stages, as none of our FastViTs has"
        )
    width = shape_of(tensors, f"{trunk}stages.0.blocks.0.mlp.fc1.weight", 4)[1]
    return {
        "kind": "fastvit",
        "size": size,
        "width": width,
        "depth": 0 if depths == FASTVITS[size][1] else depths[0],
    }


def entries(image: Any, tensors: Tensors, trunk: str = "") -> list[Entry]:
    """Returns the table of such a tower."""
    table: list[Entry] = []
    stage, place = -1, 0
    found = parts(convolution_size(image))
    for number, part in enumerate(found):
        ours = f"image/stages/{number}"
        if stage < 0 and part.kind == "layer":  # the stem
            theirs, place = f"{trunk}stem.{number}", place + 1
            stage = 0 if place == 3 else stage
        elif number == len(found) - 1:
            theirs = f"{trunk}final_conv"
        elif part.kind == "layer":
            stage, theirs = (stage + 1, "0") if part.side == 7 else (stage, "1")
            theirs = f"{trunk}stages.{stage}.downsample.proj.{theirs}"
        else:
            theirs = f"{trunk}stages.{stage}." + ("pos_emb" if part.kind == "position" else "blocks.{layer}")
        table += _part(part, ours, theirs, tensors)
    return table


def _part(part: Part, ours: str, theirs: str, tensors: Tensors) -> list[Entry]:
    if part.kind == "position":
        return [_whole(ours, theirs, tensors, _position)]
    if part.kind == "layer":
        table = [_whole(f"{ours}/convolution", theirs, tensors, _branches)]
        if part.squeezed:
            table += cells(f"{ours}/squeeze", f"{theirs}.se.fc1")
            table += cells(f"{ours}/excite", f"{theirs}.se.fc2")
        return table
    block = _mixer if part.kind == "mixer" else _attention
    table = block(part, f"{ours}/first", theirs.format(layer=0), tensors, None)
    return table + (
        block(part, f"{ours}/others", theirs, tensors, range(1, part.blocks)) if part.blocks > 1 else []
    )


def _whole(ours: str, theirs: str, tensors: Tensors, make: Any, layers: range | None = None) -> Entry:
    """A convolution made of all that is there of a module, by the names within it."""
    start = f"{theirs.format(layer=layers[0] if layers else 0)}."
    there = [
        key[len(start) :]
        for key in tensors
        if key.startswith(start) and not re.search(r"num_batches_tracked|(^|\.)se\.", key[len(start) :])
    ]
    form = Form(lambda *found: make(dict(zip(there, found, strict=True))), lambda *ours: ours)
    names = " ".join(f"{theirs}.{name}" for name in there)
    return entry(f"{ours}/kernel {ours}/bias", names or f"{theirs}.reparam_conv.weight", form, layers)


def _read(kernel: Any, bias: Any) -> tuple[Any, Any]:
    return mapping.KERNEL.read(kernel.astype(np.float32))[0], bias.astype(np.float32)


def _sum(found: dict[str, Any]) -> tuple[Any, Any]:
    """The kernel, in PyTorch's layout, and the bias that all branches of a module come to, in float64."""
    if "reparam_conv.weight" in found:
        return tuple(found[f"reparam_conv.{name}"].astype(np.float64) for name in ("weight", "bias"))
    convolutions = [name.removesuffix(".conv.weight") for name in found if name.endswith(".conv.weight")]
    side = max((found[f"{name}.conv.weight"].shape[-1] for name in convolutions), default=0)
    kernels, biases = [], []
    for name in convolutions:
        kernel = found[f"{name}.conv.weight"].astype(np.float64)
        around = (side - kernel.shape[-1]) // 2
        factor, shift = _affine(found, f"{name}.bn.")
        padded = np.pad(kernel, ((0, 0), (0, 0), (around, around), (around, around)))
        kernels.append(padded * factor[:, None, None, None])
        biases.append(shift)
    if "identity.weight" in found:
        factor, shift = _affine(found, "identity.")
        kernels.append(_identity(factor, kernels[0].shape if kernels else None))
        biases.append(shift)
    return sum(kernels[1:], kernels[0]), sum(biases[1:], biases[0])


def _affine(found: dict[str, Any], start: str) -> tuple[Any, Any]:
    """What a batch norm multiplies by and adds."""
    scale, bias, mean, variance = (found[start + name].astype(np.float64) for name in NORM)
    factor = scale / np.sqrt(variance + EPSILON)
    return factor, bias - mean * factor


def _identity(factor: Any, shape: tuple[int, ...] | None) -> Any:
    """A kernel that multiplies each channel; of no shape a depthwise one of a single cell."""
    kernel = np.zeros(shape or (len(factor), 1, 1, 1))
    channel, middle = np.arange(len(factor)), kernel.shape[-1] // 2
    kernel[channel, channel % kernel.shape[1], middle, middle] = factor
    return kernel


def _branches(found: dict[str, Any]) -> tuple[Any, Any]:
    return _read(*_sum(found))


def _position(found: dict[str, Any]) -> tuple[Any, Any]:
    """A convolution and its shortcut."""
    if "reparam_conv.weight" in found:
        return _branches(found)
    kernel, bias = found["pos_enc.weight"].astype(np.float64), found["pos_enc.bias"]
    return _read(kernel + _identity(np.ones(len(kernel)), kernel.shape), bias)


def _mixed(found: dict[str, Any]) -> tuple[Any, Any]:
    """x + scale * (mixer(x) - norm(x)) as one convolution."""
    if "reparam_conv.weight" in found:
        return _branches(found)

    def of(start: str) -> tuple[Any, Any]:
        return _sum({key.removeprefix(start): value for key, value in found.items() if key.startswith(start)})

    kernel, bias = of("mixer.")
    plain, shift = of("norm.")
    scale = found["layer_scale.gamma"].astype(np.float64).reshape(-1)
    middle = kernel.shape[-1] // 2
    kernel[:, :, middle, middle] -= plain[:, :, 0, 0]
    kernel = kernel * scale[:, None, None, None] + _identity(np.ones(len(scale)), kernel.shape)
    return _read(kernel, scale * (bias - shift))


VECTOR = Form(lambda x: (x.reshape(-1),), lambda x: (x[:, None, None],))


def _mlp(ours: str, theirs: str, tensors: Tensors, layers: range | None) -> list[Entry]:
    return [
        _whole(f"{ours}/spatial", f"{theirs}.conv", tensors, _folded, layers),
        *cells(f"{ours}/up", f"{theirs}.fc1", layers),
        *cells(f"{ours}/down", f"{theirs}.fc2", layers),
    ]


def _folded(found: dict[str, Any]) -> tuple[Any, Any]:
    return _branches({f"one.{name}": value for name, value in found.items()})


def _mixer(part: Part, ours: str, theirs: str, tensors: Tensors, layers: range | None) -> list[Entry]:
    del part
    return [
        _whole(f"{ours}/mixer", f"{theirs}.token_mixer", tensors, _mixed, layers),
        *_mlp(f"{ours}/mlp", f"{theirs}.mlp", tensors, layers),
        entry(f"{ours}/mlp_scale", f"{theirs}.layer_scale.gamma", VECTOR, layers),
    ]


def _attention(part: Part, ours: str, theirs: str, tensors: Tensors, layers: range | None) -> list[Entry]:
    heads, mixer = part.outputs // HEAD, f"{theirs}.token_mixer"

    def read(weight: Any, *batch: Any) -> tuple[Any, ...]:
        weight, bias = weight.astype(np.float64), np.zeros(len(weight))
        if batch:
            factor, shift = _affine(dict(zip(NORM, batch, strict=True)), "")
            weight, bias = weight * factor, weight @ shift
        kernel = mapping.fused(heads, transposed=True).read(weight.astype(np.float32))
        return *kernel, *mapping.fused(heads).read(bias.astype(np.float32))

    names = f"{mixer}.qkv.weight" + ("" if part.normalised else f" {batch_norm(f'{theirs}.norm')}")
    qkv = f"{ours}/attention/qkv"
    return [
        *(norm(f"{ours}/norm", f"{theirs}.norm", layers) if part.normalised else []),
        entry(f"{qkv}/kernel {qkv}/bias", names, Form(read, lambda *ours: ours), layers),
        *layer(f"{ours}/attention/out", f"{mixer}.proj", layers),
        entry(f"{ours}/attention_scale", f"{theirs}.layer_scale_1.gamma", VECTOR, layers),
        *_mlp(f"{ours}/mlp", f"{theirs}.mlp", tensors, layers),
        entry(f"{ours}/mlp_scale", f"{theirs}.layer_scale_2.gamma", VECTOR, layers),
    ]
