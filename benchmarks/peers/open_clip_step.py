"""open_clip's loss, optimiser and update, as its main script has them: the peer of train_step.py and gpu.py."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np


class Absent(Exception):
    """A peer is not installed; the message says what to do."""


def require_open_clip() -> None:
    """Makes open_clip's model importable; it names torchvision and does not need it.

    Raises:
      Absent: PyTorch or open_clip is not installed.
    """
    for name in ("torch", "open_clip"):
        if importlib.util.find_spec(name) is None:
            raise Absent(f"{name} is not installed: pip install -r requirements-peers.txt")
    if importlib.util.find_spec("torchvision") is None:
        stub("torchvision", "torchvision.transforms", "torchvision.transforms.functional", "torchvision.ops")
        stub("torchvision.ops.misc")


def stub(*names: str) -> None:
    """Lets a peer import modules that its step never calls."""
    for name in names:
        module = mock.MagicMock()
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = module


def make_update(
    model: Any,
    images: Any,
    tokens: Any,
    *,
    learning_rate: float,
    weight_decay: float,
    clip_norm: float = 0.0,
    autocast: str = "",
) -> Callable[[], None]:
    """One update of the model on one batch, which does not wait for its end.

    Args:
      model: open_clip's CLIP, compiled or not.
      images, tokens: on the device of the model.
      learning_rate, weight_decay: AdamW's; norms, biases and the logit scale do not decay.
      clip_norm: of all gradients; 0 = they are not clipped.
      autocast: device type whose bfloat16 autocast is on; '' = off.
    """
    import torch
    from open_clip.loss import ClipLoss

    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
    ]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), eps=1e-6)
    loss = ClipLoss()

    def update() -> None:
        optimizer.zero_grad()
        with torch.amp.autocast(autocast or "cpu", dtype=torch.bfloat16, enabled=bool(autocast)):
            total = loss(*model(images, tokens)[:3])
        total.backward()
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm, norm_type=2.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, np.log(100))

    return update
