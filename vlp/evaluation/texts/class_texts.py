"""The texts that stand for each class, and how a class's texts become one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from vlp.evaluation.protocols import Encoder
from vlp.evaluation.texts.prompt_sets import fill, load_prompt_set
from vlp.neighbours.ranks import TIE


def texts_of_classes(
    labels: Sequence[str],
    names: Sequence[str],
    templates: Sequence[str],
    descriptions: Mapping[str, Sequence[str]],
) -> list[list[str]]:
    """Returns for each class its name in all templates and then its descriptions, looked up by label or by name.

    A class is left without a text only where there are no templates and no description of it.
    """
    return [
        [fill(template, name) for template in templates]
        + list(descriptions.get(label, descriptions.get(name, ())))
        for label, name in zip(labels, names, strict=True)
    ]


def encode_names(
    model: Encoder, names: Sequence[str], prompt_set: str, prefix_token: str = ""
) -> Float64[np.ndarray, "classes dim"]:
    """Encodes names written into the templates of a prompt set, as their `class_embeddings`."""
    templates = load_prompt_set(prompt_set)
    texts = [fill(template, name) for name in names for template in templates]
    prompts = model.encode_text(texts, prefix=prefix_token)
    return class_embeddings(prompts.reshape(len(names), len(templates), -1))


def class_embeddings(
    prompts: Float[np.ndarray, "classes templates dim"],
) -> Float64[np.ndarray, "classes dim"]:
    """Returns unit rows: the normalised mean of normalised prompt embeddings (Radford et al. 2021)."""
    return unit(unit(prompts.astype(np.float64)).mean(axis=1))


@dataclass(frozen=True)
class ClassTexts:
    """Rows to compare images with, and how their cosines become one score a class.

    Attributes:
        rows: one for each class, or one for each text, the texts of a class beside each other.
        starts: where the rows of each class begin.
        logit_scale: of the probabilities; only used where there are more rows than classes.
        repeated: classes whose texts are those of an earlier one. No model can tell them apart, and the earlier one
            is answered, as by an argmax.
    """

    rows: Float64[np.ndarray, "rows dim"]
    starts: Int[np.ndarray, " classes"]
    logit_scale: float
    repeated: Int[np.ndarray, " repeated"]

    def scores(self, images: Float[np.ndarray, "n dim"]) -> Float64[np.ndarray, "n classes"]:
        """Times the logit scale, these are the classes' logits; cosines where a class has one unit row."""
        scores = images.astype(np.float64) @ self.rows.T
        if len(self.rows) > len(self.starts):
            scores = _log_mean_exp(self.logit_scale * scores, self.starts) / self.logit_scale
        scores[:, self.repeated] -= 2 * TIE
        return scores


def pooled(
    texts: Sequence[Sequence[str]],
    rows: Float[np.ndarray, "texts dim"],
    pooling: str,
    logit_scale: float,
) -> ClassTexts:
    """Returns what images are compared with.

    Args:
        texts: of each class, at least one.
        rows: unit rows of all texts, class by class.
        pooling: 'embedding', the unit mean of a class's unit rows (CLIP; CuPL, arXiv 2209.03320); 'score', the mean
            of their cosines (arXiv 2210.07183); or 'probability', the mean of their probabilities among the texts of
            all classes (AdaptCLIPZS, arXiv 2401.02460).
        logit_scale: what cosines are multiplied by before a softmax.
    """
    first: dict[tuple[str, ...], int] = {}
    repeated = np.array(
        [at for at, own in enumerate(texts) if first.setdefault(tuple(own), at) != at], np.int64
    )
    counts = [len(own) for own in texts]
    ends = np.cumsum(counts)
    if pooling == "probability":
        return ClassTexts(unit(rows.astype(np.float64)), ends - counts, logit_scale, repeated)
    one = {"embedding": class_embeddings, "score": _means}[pooling]
    bags = [one(rows[end - count : end][None]) for end, count in zip(ends, counts, strict=True)]
    return ClassTexts(np.concatenate(bags), np.arange(len(bags)), logit_scale, repeated)


def unit(rows: Float64[np.ndarray, "*batch dim"]) -> Float64[np.ndarray, "*batch dim"]:
    """Returns rows of length one; a zero row stays zero: it then ties with everything, which never counts as a hit."""
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.finfo(np.float64).tiny)


def _means(prompts: Float[np.ndarray, "classes templates dim"]) -> Float64[np.ndarray, "classes dim"]:
    return unit(prompts.astype(np.float64)).mean(axis=1)


def _log_mean_exp(
    logits: Float64[np.ndarray, "n texts"], starts: Int[np.ndarray, " classes"]
) -> Float64[np.ndarray, "n classes"]:
    counts = np.diff(starts, append=logits.shape[1])
    highest = np.maximum.reduceat(logits, starts, axis=1)
    sums = np.add.reduceat(np.exp(logits - np.repeat(highest, counts, axis=1)), starts, axis=1)
    return highest + np.log(sums / counts)
