"""FastViT, MobileCLIP's image tower: which parts it has, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from vlp.models.families.convolutions import ConvolutionFamily
from vlp.models.flops import halved, transformer_flops
from vlp.models.sizes import ConvolutionSize, convolution_size

HEAD = 32  # numbers in a head of attention
FIRST_ATTENTION = 3  # stage whose blocks attend; those before mix each channel by itself


class Part(NamedTuple):
    """One of the parts that a tower consists of, in their order.

    Attributes:
      kind: 'layer' (a convolution and a GELU), 'position' (a depthwise convolution alone), 'mixer' or 'attention' (the
        blocks of a stage).
      inputs, outputs: channels.
      side: of a convolution's kernel.
      stride: of it.
      depthwise: whether it has a kernel for each channel that it takes.
      squeezed: channels between squeeze and excitation behind it; 0 = there is none.
      blocks: of a stage.
      hidden: units of a block's MLP.
      normalised: whether attention is preceded by a layer norm, and not by a batch norm, which is in its weights.
    """

    kind: str
    inputs: int
    outputs: int
    side: int = 1
    stride: int = 1
    depthwise: bool = False
    squeezed: int = 0
    blocks: int = 0
    hidden: int = 0
    normalised: bool = False


def parts(size: ConvolutionSize) -> list[Part]:
    """Returns the parts of a tower (arXiv 2303.14189, figure 2; MCi of 2311.17049 and 2508.20691, as timm has them)."""
    first, large = size.channels[0], len(size.channels) > 4
    found = [
        Part("layer", 3, first, 3, 2),
        Part("layer", first, first, 3, 2, depthwise=True),
        Part("layer", first, first),
    ]
    inputs = first
    for number, (outputs, count) in enumerate(zip(size.channels, size.blocks, strict=True)):
        if number:
            squeezed = outputs // 4 if number > 1 and not large else 0
            found.append(Part("layer", inputs, outputs, 7, 2, depthwise=True, squeezed=squeezed))
            found.append(Part("layer", outputs, outputs))
        attends, inputs = number >= FIRST_ATTENTION, outputs
        if attends:
            found.append(Part("position", outputs, outputs, 7, depthwise=True))
        kind, hidden = "attention" if attends else "mixer", (4 if large else 3) * outputs
        found.append(Part(kind, outputs, outputs, blocks=count, hidden=hidden, normalised=large))
    return [*found, Part("layer", inputs, size.head, 3, depthwise=True, squeezed=size.head // 16)]


def with_grids(size: ConvolutionSize, inputs: int) -> Iterator[tuple[Part, int]]:
    """Goes through the parts, each with the side of the grid that it gives.

    Args:
      size: of the tower.
      inputs: side of an image.
    """
    for part in parts(size):
        inputs = halved(inputs) if part.stride == 2 else inputs
        yield part, inputs


class FastVitFamily(ConvolutionFamily):
    """Kind 'fastvit': FastViT as MobileCLIP has it, its branches folded into one convolution each."""

    tower = "vlp.models.fastvit:FastVit"

    def rows(self, settings: Any, inputs: int, path: str) -> int:
        place, *inner = path.split("/")[1:]  # of stages/12/others/mlp/up or stages/5/squeeze
        grid = list(with_grids(convolution_size(settings), inputs))[int(place)][1]
        return grid**2 if inner[0] in ("first", "others") else 1

    def forward_flops(self, settings: Any, inputs: int, embed_dim: int) -> int:
        size = convolution_size(settings)
        flops = sum(_flops(part, grid) for part, grid in with_grids(size, inputs))
        return flops + 2 * size.head * embed_dim


def _flops(part: Part, grid: int) -> int:
    width, cells = part.outputs, grid**2
    if not part.blocks:
        taken = 1 if part.depthwise else part.inputs
        return 2 * cells * part.side**2 * taken * width + 2 * 2 * width * part.squeezed
    depthwise = 2 * cells * 7**2 * width
    if part.kind == "attention":
        block = transformer_flops(tokens=cells, width=width, depth=1, mlp_dim=part.hidden)
    else:
        block = 2 * cells * (3**2 * width + 2 * width * part.hidden)
    return part.blocks * (depthwise + block)
