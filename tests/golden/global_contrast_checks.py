"""A memory of normalisers over three epochs: FastCLIP's rules of the temperature."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from given import Given, made
from golden_vectors import Golden

from vlp.objectives.global_contrast import GlobalContrast

SIDES = ("im", "tt")


def _objective(golden: Golden, rule: str) -> GlobalContrast:
    numbers = {"rate": "gamma_end", "rate_epochs": "gamma_decay_epochs", "rho": "rho", "epsilon": "eps"}
    if rule == "v2":
        numbers |= {"temperature": "tau_init", "temperature_rate": "lr_tau", "b1": "beta1", "b2": "beta2"}
        numbers |= {"lowest": "tau_min", "highest": "tau_max"}
    settings = {ours: golden.number(theirs) for ours, theirs in numbers.items()}
    objective = made(
        GlobalContrast, "global_contrast", rule=rule, records=golden.number("dataset_size"), **settings
    )
    if rule == "v2":  # in which the file's numbers are
        objective.individual.temperature.set_value(
            jnp.full_like(objective.individual.temperature[...], golden.number("tau_init"), golden.dtype)
        )
    for _, memory in nnx.iter_graph(objective):
        if isinstance(memory, nnx.Variable):
            memory.set_value(memory[...].astype(golden.dtype))
    return objective


def _steps(golden: Golden, rule: str) -> Any:
    """Of each step: its number, the loss and its gradients, and the objective afterwards."""
    objective, total = _objective(golden, rule), golden.number("dataset_size")
    graphdef, memory = nnx.split(objective)
    scales = golden.arrays.get("logit_scale", np.ones(len(golden["indices"])))

    def compute(image: Any, text: Any, scale: Any, memory: Any, records: Any, step: Any) -> Any:
        own = nnx.merge(graphdef, memory, copy=True)
        given = Given({"image": image, "text": text}, scale=scale, record_number=records)
        given.step = step
        loss = own(given).loss.mean()
        return loss, nnx.state(own)

    function = jax.jit(jax.value_and_grad(compute, argnums=(0, 1, 2), has_aux=True))
    for epoch, records in enumerate(golden["indices"]):
        image, text = (rows[epoch] for rows in golden.inputs("image_features", "text_features"))
        step = jnp.int32(-(-epoch * total // len(records)))
        scale = jnp.asarray(scales[epoch], golden.dtype)
        (value, memory), gradients = function(
            image, text, scale, memory, jnp.asarray(records, jnp.int32), step
        )
        yield epoch, value, gradients, nnx.merge(graphdef, memory, copy=True)


def _remembers(golden: Golden, epoch: int, objective: GlobalContrast) -> None:
    bounds = [golden.arrays.get(f"bound_{side}") for side in SIDES]
    for number, side in enumerate(SIDES):
        there = golden[f"u_{side}"][epoch]
        seen = there > 0
        expected = np.log(there[seen]) + (0.0 if bounds[number] is None else bounds[number][epoch][seen])
        actual = np.asarray(objective.log[...])[number]
        golden.gradients(actual[seen], expected, scale=1.0)
        assert np.isneginf(actual[~seen]).all()


def fastclip(golden: Golden, rule: str) -> None:
    """The towers' slope is half of the expression's in the public code."""
    for epoch, value, gradients, objective in _steps(golden, rule):
        golden.losses(value, golden["loss"][epoch])
        for gradient, side in zip(gradients[:2], ("image", "text"), strict=True):
            golden.gradients(gradient / 2, golden[f"grad_{side}_features"][epoch])
        if rule in ("v0", "v3"):
            golden.gradients(gradients[2], golden["grad_logit_scale"][epoch])
        else:
            assert float(gradients[2]) == 0.0
        _remembers(golden, epoch, objective)
        if rule == "v2":
            names = {"tau": "temperature", "m": "first", "v": "second"}
            for theirs, ours in names.items():
                expected = np.stack([golden[f"{theirs}_{side}"][epoch] for side in SIDES])
                golden.gradients(getattr(objective.individual, ours)[...], expected)


def fastclip_v3_dist2(golden: Golden) -> None:
    """Two ranks: the mean of their losses, and the slope of the whole batch's first term."""
    for epoch, value, gradients, objective in _steps(golden, "v3"):
        golden.losses(value, golden["loss_per_rank"][epoch].mean())
        for gradient, side in zip(gradients[:2], ("image", "text"), strict=True):
            golden.gradients(gradient, golden[f"grad_{side}_features_as_returned"][epoch])
        golden.gradients(gradients[2], golden["grad_logit_scale_per_rank"][epoch].mean())
        _remembers(golden, epoch, objective)


CHECKS = {
    "fastclip_v3_dist2": fastclip_v3_dist2,
    **{
        f"fastclip_{rule}": lambda golden, rule=rule: fastclip(golden, rule)
        for rule in ("v0", "v1", "v2", "v3")
    },
}
