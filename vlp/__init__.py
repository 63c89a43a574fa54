"""Vision-language pretraining in JAX; importing this loads no JAX.

config = vlp.config("configs/clip.py:runlocal", steps=100)
model = vlp.train(config, "runs/first")             # or vlp.load("runs/first")
figures = vlp.evaluate(model, "configs/eval/zero_shot.py")
probabilities = model.zero_shot(["cat.png"], ["cat", "dog"])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vlp.beside import ROOT, pin

if TYPE_CHECKING:
    from vlp.configuration import ConfigError, Setting
    from vlp.loading import load
    from vlp.model import Model
    from vlp.runs.api import config, evaluate, export, train

__version__ = "0.1.0"
__all__ = [
    "ROOT",
    "ConfigError",
    "Model",
    "Setting",
    "__version__",
    "config",
    "evaluate",
    "export",
    "load",
    "train",
]
# Where each of them is, imported when it is first asked for.
_HOMES = {
    **dict.fromkeys(("ConfigError", "Setting"), "vlp.configuration"),
    "Model": "vlp.model",
    "load": "vlp.loading",
    **dict.fromkeys(("config", "evaluate", "export", "train"), "vlp.runs.api"),
}

pin()


def __getattr__(name: str) -> Any:
    """Imports what the face of the library has, when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vlp' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Lists what the face of the library has, imported or not."""
    return [*globals(), *_HOMES]
