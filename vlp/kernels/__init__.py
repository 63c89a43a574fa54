"""Loss mathematics on score matrices: no model, no mesh, no method names here."""

from __future__ import annotations

from collections.abc import Callable

from vlp.kernels.loss import Loss
from vlp.kernels.regression import absolute_error, cosine_distance, squared_error
from vlp.kernels.separated import joint, separated
from vlp.kernels.sigmoid import asymmetric_sigmoid, sigmoid
from vlp.kernels.softmax import reverse_softmax, softmax, softmax_in

# Of scaled scores and targets.
KERNELS: dict[str, Callable[..., Loss]] = {
    "softmax": softmax,
    "softmax_in": softmax_in,
    "reverse_softmax": reverse_softmax,
    "sigmoid": sigmoid,
    "asymmetric_sigmoid": asymmetric_sigmoid,
    "separated": separated,
    "joint": joint,
}
# Of rows and the rows that they should be, which carry no gradient.
REGRESSIONS: dict[str, Callable[..., Loss]] = {
    "cosine_distance": cosine_distance,
    "squared_error": squared_error,
    "absolute_error": absolute_error,
}
