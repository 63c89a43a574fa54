"""Vision-language pretraining in JAX. `vlp.load(path)` gives a trained model; importing this loads no JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlp.beside import pin

if TYPE_CHECKING:
    from vlp.configuration import Setting
    from vlp.model import Model, load

__version__ = "0.1.0"
__all__ = ["Model", "Setting", "__version__", "load"]

pin()


def __getattr__(name: str) -> Any:
    """`vlp.load` and `vlp.Model`, imported when first asked for."""
    if name == "Setting":
        from vlp.configuration import Setting

        return Setting
    if name in ("load", "Model"):
        from vlp import model

        return getattr(model, name)
    raise AttributeError(f"module 'vlp' has no attribute '{name}'")
