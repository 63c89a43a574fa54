"""A kernel as an objective's settings ask for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from vlp.kernels import KERNELS
from vlp.kernels.loss import Loss


def configured_kernel(config: Any) -> Callable[..., Loss]:
    """Binds what the settings of an objective say of its kernel.

    Args:
      config: with `kernel` (a name), `label_smoothing` (of 'softmax' alone) and `asymmetric`, the settings of
        'asymmetric_sigmoid'.
    """
    options: dict[str, Any] = {}
    if config.kernel == "softmax" and config.label_smoothing:
        options = {"label_smoothing": config.label_smoothing}
    if config.kernel == "asymmetric_sigmoid":
        options = {name: config.asymmetric[name] for name in config.asymmetric}
    return functools.partial(KERNELS[config.kernel], **options)
