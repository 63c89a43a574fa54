"""What is remembered over steps: labels of instances in bags, and components that nobody has named."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from given import made
from golden_vectors import Golden, unit

from vlp.given import Context
from vlp.objectives.discovery import Discovery
from vlp.objectives.instance_labels import InstanceLabels
from vlp.objectives.mixtures import Components, Prior, densities, pinned_k_means, split_ratio


def ins_mil(golden: Golden) -> None:
    """Both losses, with the contrast of labels and that of the warm-up; queue, prototypes and table afterwards."""
    queue, scores, prototypes, table = golden.inputs(
        "queue_before", "queue_pseudo_before", "prototypes_before", "confidence_before"
    )
    objective = made(
        InstanceLabels,
        "instance_labels",
        size=len(queue),
        own={"width": queue.shape[1]},
        records=len(table),
        prototype_momentum=golden.number("proto_momentum"),
        temperature=golden.number("temperature"),
        contrast_weight=golden.number("loss_weight"),
    )
    held = objective.bank.held
    for variable, value in (
        (held["rows"], queue),
        (held["scores"], scores),
        (objective.prototypes, prototypes),
        (objective.confidence, table),
    ):
        variable.set_value(value)
    graphdef, state = nnx.split(objective)

    @jax.jit
    def step(state, logits, query, key, places, positive, memory, warming):
        def loss(logits, query):
            own = nnx.merge(graphdef, state, copy=True)
            value, metrics = own.learn(logits, query, key, places, positive, memory=memory, warming=warming)
            return value.mean(), (nnx.state(own), metrics["contrast"])

        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(logits, query)

    logits, query, key = golden.inputs("classifier_logits", "query", "key")
    for number in range(len(logits)):
        given = (
            logits[number],
            query[number],
            key[number],
            jnp.asarray(golden["index"][number], jnp.int32),
            jnp.asarray(golden["bag_positive"][number]),
            jnp.asarray(golden["confidence_momentum"][number], golden.dtype),
        )
        (_, (_, contrast)), _ = step(state, *given, True)
        golden.losses(contrast, golden["warmup_moco_loss"][number])
        (value, (state, contrast)), gradients = step(state, *given, False)
        golden.losses(contrast, golden["contrast_loss"][number])
        golden.losses(value, golden["loss"][number])
        for gradient, name in zip(gradients, ("classifier_logits", "query"), strict=True):
            golden.gradients(gradient, golden[f"grad_{name}"][number])
        golden.gradients(state["prototypes"][...], golden["prototypes_after"][number])
        golden.gradients(state["confidence"][...], golden["confidence_after"][number])
    golden.gradients(state["bank"]["held"]["rows"][...], golden["queue_after"])
    golden.gradients(state["bank"]["held"]["scores"][...], golden["queue_pseudo_after"])
    assert not np.asarray(
        golden["confidence_after"][-1][golden["index"][-1]][~golden["bag_positive"][-1], 1]
    ).any()


def gpc(golden: Golden) -> None:
    """Splits and merges, temperatures of prototypes, and both losses; numbers of the host are numpy's own."""
    points = golden["points"].astype(np.float64)
    prior = Prior(
        points.mean(axis=0), golden.number("kappa"), golden.number("nu"), golden.number("sigma_scale")
    )
    for case, size in enumerate(golden["case_first_size"]):
        rows = golden["case_rows"][case]
        one, other = points[rows[:size]], points[rows[size:][rows[size:] >= 0]]
        ratio = split_ratio(one, other, prior)
        np.testing.assert_allclose(ratio, golden["split_log_ratio"][case], rtol=1e-8)
        for part, name in ((one, "first"), (other, "second"), (np.concatenate([one, other]), "union")):
            np.testing.assert_allclose(prior.log_likelihood(part), golden[f"log_ml_{name}"][case], rtol=1e-9)
        assert (ratio > 0) == golden["split"][case] and (-ratio > 0) == golden["merge"][case]
    features, centres = (golden[name].astype(np.float64) for name in ("features", "centroids"))
    pins = np.full(len(features), -1)
    pins[: len(golden["labelled_targets"])] = golden["labelled_targets"]
    labels = pinned_k_means(features, pins, centres, 0).labels
    np.testing.assert_array_equal(labels, golden["assignment"])
    found = densities(features, Components(centres, labels), golden.number("mean_temperature"))
    np.testing.assert_allclose(found, golden["density"], rtol=1e-6)
    query, key, rows, prototypes, density = golden.inputs(
        "query", "key", "projected", "prototypes", "density"
    )
    objective = made(
        Discovery,
        "discovery",
        width=prototypes.shape[1],
        context=Context.from_dict({"labels": {"classes": 3}}),
        clusters=len(prototypes),
        label_weight=golden.number("supcon_weight"),
        view_temperature=golden.number("info_nce_temperature"),
        label_temperature=golden.number("supcon_temperature"),
    )
    objective.prototypes.set_value(prototypes)
    objective.density.set_value(density)
    wanted = jnp.asarray(golden["assignment"][golden["batch_rows"]], jnp.int32)

    def near(query: jax.Array, key: jax.Array) -> jax.Array:
        return objective.to_prototypes(jnp.stack([query, key]), wanted, jnp.ones(len(density), bool))

    expected = [golden[f"proto_grad_{name}"] for name in ("query", "key")]
    golden.differentiated(near, [query, key], golden["proto_loss"], *expected)
    number = jnp.asarray(np.where(golden["is_labelled"], golden["class_labels"], -1), jnp.int32)

    def contrast(rows: jax.Array) -> jax.Array:
        return objective.contrast(unit(rows).reshape(2, len(number), -1), number)

    golden.differentiated(contrast, [rows], golden["contrastive_loss"], golden["grad_projected"])


CHECKS = {"ins_mil": ins_mil, "gpc": gpc}
