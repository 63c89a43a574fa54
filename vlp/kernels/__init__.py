"""Loss mathematics on score matrices: no model, no mesh, no method names here."""

from __future__ import annotations

from collections.abc import Callable

from vlp.kernels.loss import Loss
from vlp.kernels.separated import separated
from vlp.kernels.sigmoid import sigmoid
from vlp.kernels.softmax import softmax

KERNELS: dict[str, Callable[..., Loss]] = {"softmax": softmax, "sigmoid": sigmoid, "separated": separated}
