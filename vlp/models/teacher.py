"""Teachers: copies of a module that follow it as a running mean and learn nothing themselves."""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

Module = TypeVar("Module", bound=nnx.Module)


class Teacher(nnx.Variable):
    """A parameter of a teacher: state of the step, sharded and saved like any other, without gradient."""


def teacher_of(student: Module) -> Module:
    """Copies a module: the copy is used like it, and its parameters are `Teacher` variables."""
    copy = nnx.clone(student)
    for _, node in list(nnx.iter_graph(copy)):
        if isinstance(node, nnx.Module):
            for name, value in list(vars(node).items()):
                if isinstance(value, nnx.Param):
                    # Buffers of its own: the step gives its inputs' buffers away one by one.
                    setattr(node, name, Teacher(jnp.copy(value[...])))
    return copy


def follow(teacher: nnx.Module, student: nnx.Module, momentum: float | Float[Array, ""]) -> None:
    """Moves a teacher on in place: momentum * teacher + (1 - momentum) * student (mean teacher, arXiv 1703.01780).

    Args:
      teacher: from `teacher_of` a module like the student.
      student: its parameters are constants here.
      momentum: may follow a schedule.
    """
    means, values = nnx.state(teacher, Teacher), nnx.state(student, nnx.Param)
    moved = jax.tree.map(
        lambda mean, value: momentum * mean + (1.0 - momentum) * jax.lax.stop_gradient(value),
        nnx.to_pure_dict(means),
        nnx.to_pure_dict(values),
    )
    nnx.update(teacher, moved)


def held(module: Module) -> Module:
    """Returns a module with the same parameters as constants: a teacher that is the student itself."""
    graphdef, state = nnx.split(module)
    return nnx.merge(graphdef, jax.lax.stop_gradient(state))
