"""What a student learns from teachers: CLIP-KD, DistillClip, MobileCLIP's reinforced data."""

from __future__ import annotations

from typing import Any

import jax
from contrastive_checks import contrasted, two_view_loss
from given import Given, Same, made
from golden_vectors import Golden, unit

from vlp.given import Context
from vlp.objectives.distillation import TERMS, Distillation
from vlp.objectives.soft_labels import SoftLabels

NONE = dict.fromkeys(TERMS, 0.0)


class Raw(Given):
    """Embeddings of any length, and what they are as rows of length one; and a teacher beside them."""

    teacher: Any = None

    def image(self, view: str = "image") -> Any:
        return unit(self.views[view])

    text = image

    def frozen(self, name: str) -> Given:
        del name
        return self.teacher


def _distils(width: int, taught: int, **terms: float) -> Distillation:
    context = Context.from_dict({"frozen": {"teacher": [taught, 0, 0]}})
    settings = {**NONE, **terms, "gradient_temperature": "released"}
    return made(Distillation, "distillation", width=width, context=context, **settings)


def _layers(golden: Golden, name: str) -> list[Any]:
    def layer(kernel: jax.Array, bias: jax.Array) -> Any:
        return lambda rows: rows @ kernel + bias

    sides = ("image", "text")
    return [layer(*golden.inputs(f"{side}_{name}_kernel", f"{side}_{name}_bias")) for side in sides]


def clipkd(golden: Golden) -> None:
    """Every term of the public code, which names them otherwise."""
    inputs = golden.inputs("student_image", "student_text", "logit_scale")
    *rows, scale = golden.inputs("teacher_image", "teacher_text", "teacher_logit_scale")
    teacher = Given(dict(zip(("image", "text"), rows, strict=True)), scale=scale)
    names = {"ckd": "affinity", "icl": "interactive", "cross_kd": "cross_affinity", "fd": "feature"}
    names |= {"gd": "gradient", "afd": "fusion"}
    for theirs, ours in names.items():
        if f"{theirs}_loss" not in golden.arrays:
            continue

        def loss(image: Any, text: Any, scale: Any, ours: str = ours) -> jax.Array:
            objective = _distils(image.shape[1], rows[0].shape[1], **{ours: 1.0})
            if objective.image_projection is not None:
                objective.image_projection, objective.text_projection = _layers(golden, "proj")
            if objective.image_fusion is not None:
                objective.image_fusion, objective.text_fusion = _layers(golden, "fusion")
                objective.fusion_scale.set_value(*golden.inputs("fusion_logit_scale"))
            if objective.cross_scale is not None:
                objective.cross_scale.set_value(*golden.inputs("cross_logit_scale"))
            seen = Raw({"image": image, "text": text}, scale=scale)
            seen.teacher = teacher
            return objective(seen).loss.mean()

        sides = ("student_image", "student_text", "logit_scale")
        expected = [golden[f"{theirs}_grad_{side}"] for side in sides]
        value, gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))(*inputs)
        golden.losses(value, golden[f"{theirs}_loss"])
        for one, other in zip(gradients, expected, strict=True):
            golden.gradients(one, other, scale=None if abs(other).max() else 1.0)


def mobileclip_dr(golden: Golden) -> None:
    """Two stored teachers beside the contrast; a synthetic caption is an entry more of both."""
    names = ("image_features", "text_features", "logit_scale", "syn_text_features")
    image, text, scale, synthetic = golden.inputs(*names)
    taught = golden.inputs("teacher_image_features", "teacher_text_features", "teacher_syn_text_features")
    widths = tuple(golden["teacher_dims"].tolist())

    def distil(image: Any, text: Any, scale: Any, rows: Any, scales: Any, chunk: int = 0) -> jax.Array:
        stored = {"stored_images": ("images",), "stored_texts": ("texts",), "stored_widths": widths}
        settings = {**stored, "scales": tuple(scales), "divergence": "cross_entropy", "chunk": chunk}
        objective = made(Distillation, "distillation", width=image.shape[1], context=Context(), **settings)
        given = Given({"image": image, "text": text}, scale=scale, images=taught[0], texts=rows)
        return objective(given).loss.mean()

    shared = [golden.number("v1_teacher_scale")] * 2
    kinds = {"v2_perteacher": ("v2", golden["v2_teacher_scales"].tolist()), "v1_shared100": ("v1", shared)}
    for name, (version, scales) in kinds.items():
        for which in ("gt", "gt_syn"):
            one, other = golden[f"{version}_weights"].tolist()

            def both(image, text, scale, synthetic, one=one, other=other, scales=scales, which=which):
                pairs = [(text, taught[1]), (synthetic, taught[2])][: 2 if which == "gt_syn" else 1]
                contrasts = sum(contrasted(image, rows, scale) for rows, _ in pairs)
                learned = sum(distil(image, *own, scales, chunk=3) for own in _pairs(pairs, scale))
                return one * contrasts + other * learned

            before = f"{name}_{which}"
            count = 4 if which == "gt_syn" else 3
            expected = [golden[f"{before}_grad_{names[place]}"] for place in range(count)]
            golden.differentiated(
                lambda *own, both=both: both(*own, *([synthetic] if len(own) == 3 else [])),
                [image, text, scale, synthetic][:count],
                golden[f"{before}_loss"],
                *expected,
            )
    _sigmoid(golden, image, text, scale, taught, widths)


def _pairs(pairs: list[Any], scale: Any) -> list[Any]:
    return [(rows, scale, stored) for rows, stored in pairs]


def _sigmoid(golden: Golden, image: Any, text: Any, scale: Any, taught: list[Any], widths: Any) -> None:
    one, other = golden["sig_weights"].tolist()
    settings = {
        "stored_images": ("images",),
        "stored_texts": ("texts",),
        "stored_widths": widths,
        "scales": tuple(golden["v2_teacher_scales"].tolist()),
        "biases": tuple(golden["sig_teacher_biases"].tolist()),
        "divergence": "sigmoid",
    }
    (bias,) = golden.inputs("sig_logit_bias")

    def loss(image, text, scale, bias):
        objective = made(Distillation, "distillation", width=image.shape[1], context=Context(), **settings)
        views = {"image": image, "text": text}
        given = Given(views, scale=scale, bias=bias, images=taught[0], texts=taught[1])
        return (
            one * contrasted(image, text, scale, bias, kernel="sigmoid")
            + other * objective(given).loss.mean()
        )

    names = ("image_features", "text_features", "logit_scale", "logit_bias")
    total = golden["sig_contrastive_loss"] + golden["sig_distill_loss"]
    gradients = [golden[f"sig_grad_{name}"] for name in names]
    golden.differentiated(loss, [image, text, scale, bias], total, *gradients)


def simclrv2(golden: Golden) -> None:
    """The released contrast is twice the mean over both views; the distillation has no temperature squared."""
    (hidden,) = golden.inputs("hidden")
    half = len(hidden) // 2

    def contrast(hidden: jax.Array) -> jax.Array:
        return 2.0 * two_view_loss(hidden[:half], hidden[half:], golden.number("temperature"))

    golden.differentiated(contrast, [hidden], golden["loss"], golden["grad_hidden"])
    golden.losses(contrast(hidden) / 2.0, golden["loss_mean_over_2n"])
    student, answers = golden.inputs("student_logits", "teacher_logits")
    settings = {"classes": student.shape[1], "temperature": golden.number("distill_temperature")}

    def distil(logits: jax.Array) -> jax.Array:
        objective = made(SoftLabels, "soft_labels", **settings)
        objective.classifier = Same()
        given = Raw({"image": logits})
        given.teacher = Given({"image": answers})
        given.teacher.part = lambda name: Same()
        return objective(given).loss.mean()

    golden.differentiated(distil, [student], golden["distill_loss"], golden["grad_student_logits"])


CHECKS = {
    "FORMULA_simclrv2": simclrv2,
    "clipkd": clipkd,
    "clipkd_afd": clipkd,
    "mobileclip_dr": mobileclip_dr,
}
