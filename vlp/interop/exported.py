"""A checkpoint of ours as a folder that `transformers` or `open_clip` load by their ordinary call."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer, tokenizer_from_bytes
from vlp.checkpoint import Description, find_checkpoint, load_model_arrays, read_description
from vlp.configuration import completed, stage_config
from vlp.given import Context
from vlp.interop import huggingface, open_clip
from vlp.interop.adapted import with_adapters_merged
from vlp.interop.files import write_weights
from vlp.interop.images import preprocessing_of, write_preprocessing
from vlp.interop.mapping import Tensors, flattened, write
from vlp.interop.seen import cosines_there
from vlp.interop.text import write_tokenizer
from vlp.models.families import OFF, TOWERS
from vlp.models.positions import sincos2d
from vlp.models.sizes import tower_size

FORMATS = {
    "huggingface": ("vit", "naflex"),
    "open_clip": ("vit", "resnet"),
}  # and the kinds of image towers they hold
TEXTS = ("transformer",)  # the same of text towers, for all of them
SIGLIP = {"vit": ("siglip", "SiglipModel"), "naflex": ("naflex", "Siglip2Model")}  # by kind of image tower
WRITTEN = tuple(huggingface.ACTIVATIONS.values())  # activations that every format has a word for
# What no format has a word for, and what it is where there is nothing to say.
_NOWHERE = ("stem", "gated", "sub_norm", "branch_norm", "pool_heads", "pool_mlp_dim", "pool_prefix")
_OFF = {name: OFF["image"][name] for name in _NOWHERE}
Model = tuple[ConfigDict, Tensors]


def export_model(checkpoint: str | Path, form: str, output: Path) -> list[str]:
    """Writes a folder with config, weights, tokenizer and preprocessing.

    Args:
      checkpoint: a workdir, its checkpoints, or one step's folder.
      form: one of FORMATS.
      output: a folder that does not exist yet or is empty.

    Returns:
      What the format cannot say: sentences for the user, none if everything comes out the same there.

    Raises:
      ValueError: the format has no such architecture or tokenizer; the message names all that it lacks.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output} is not empty: export into another folder")
    folder = find_checkpoint(checkpoint)
    description = read_description(folder)
    tokenizer = tokenizer_from_bytes(description.tokenizer, description.tokenizer_spec)
    arrays = load_model_arrays(folder)
    tree = {**arrays.get("ema", arrays["params"])["model"], **_merged(arrays)}
    if absent := [tower for tower in TOWERS if tower not in tree]:
        raise UserError(f"no format holds a model without {absent[0]} tower, which nothing in its run read")
    staged = stage_config(ConfigDict(completed(description.config)), description.progress["step"])
    model = staged.model
    leaves = with_adapters_merged({path: np.asarray(leaf) for path, leaf in flattened(tree).items()}, model)
    _refuse(_our_own(model, FORMATS[form]), form, "models")
    if tokenizer.prefix_tokens:
        raise UserError(
            f"no format has prefix tokens, and this model was trained with {tokenizer.prefix_tokens}"
        )
    if model.text.pool == "end" and tokenizer.special.begin == tokenizer.special.end:
        raise UserError(
            "other projects read a text at its first end token, and this tokenizer begins texts with it"
        )
    facts = {
        "vocabulary_size": tokenizer.vocabulary_size,
        "length": tokenizer.length,
        "end": tokenizer.special.end,
        "pad": tokenizer.special.pad,
    }
    build = {"huggingface": _huggingface, "open_clip": _open_clip}[form]
    family, config, tensors = build(model, leaves, facts)
    with _written_aside(output) as aside:
        names = {"open_clip": (open_clip.CONFIG, "open_clip_model.safetensors")}
        config_name, weights_name = names.get(family, ("config.json", "model.safetensors"))
        (aside / config_name).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        write_weights(tensors, aside / weights_name)
        notes = write_tokenizer(tokenizer, aside, family)
        different = write_preprocessing(dict(description.preprocessing), aside, family)
        measured = _measured(folder, aside, family) if different else []
    return [*notes, *different, *measured, *_left_out(description, staged, arrays, tokenizer, form)]


def _left_out(
    description: Description, config: ConfigDict, arrays: dict[str, Any], tokenizer: Tokenizer, form: str
) -> list[str]:
    """What objectives learned for later: no format has a place for it."""
    if not arrays["params"].get("objectives"):
        return []
    from vlp.parts import abstract_parts  # loads jax and the towers

    context = Context.from_dict(description.progress.get("context", {}))
    names = ", ".join(abstract_parts(FrozenConfigDict(config), tokenizer.vocabulary_size, context))
    return (
        [f"{form} has no place for {names}: `vlp.load(PATH).parts` of the checkpoint has it"] if names else []
    )


def _measured(checkpoint: Path, written: Path, family: str) -> list[str]:
    """What the other preparation of images comes to, for this model."""
    cosines = cosines_there(checkpoint, preprocessing_of(written, family))
    if not len(cosines):
        return []
    return [
        f"of {len(cosines)} bundled pictures that are not square, the embeddings there have a cosine of "
        f"{cosines.mean():.4f} to those here in the mean, and {cosines.min():.4f} at least"
    ]


@contextlib.contextmanager
def _written_aside(output: Path) -> Iterator[Path]:
    """A folder to fill, which takes the name of `output` once all is written: half a model never has it."""
    around = output.with_name(f"{output.name}.saving")
    shutil.rmtree(around, ignore_errors=True)  # of an export that was ended
    aside = around / output.name  # a name that stands in some of the files
    aside.mkdir(parents=True)
    try:
        yield aside
        aside.rename(output)
    finally:
        shutil.rmtree(around, ignore_errors=True)


def _merged(arrays: dict[str, Any]) -> dict[str, Any]:
    """Constant statistics beside the parameters they belong to; only a resnet with batch norm has any."""
    rest = arrays.get("rest", {}).get("model", {})
    if "image" not in rest:
        return {}
    image = arrays.get("ema", arrays["params"])["model"]["image"]
    return {"image": _deep(image, rest["image"])}


def _deep(one: dict[Any, Any], other: dict[Any, Any]) -> dict[Any, Any]:
    both = {
        key: _deep(one[key], other[key]) if isinstance(one[key], dict) else other[key]
        for key in one.keys() & other.keys()
    }
    return {**one, **other, **both}


def _huggingface(model: ConfigDict, leaves: Tensors, facts: dict[str, Any]) -> tuple[str, Any, Tensors]:
    """A CLIPModel where the image tower has a class token, else a SiglipModel or, of any image's shape, a
    Siglip2Model."""
    model, leaves = _learned_positions(model, leaves)
    if model.image.pool == "class":
        model, leaves = _class_positions(*_without_patch_bias(model, leaves))
        family, name, problems = "huggingface_clip", "CLIPModel", _not_clip(model, facts)
    else:
        model, leaves = _published_pool(*_mean_as_attention(*_patch_bias(model, leaves)))
        model, leaves = _biased_text(*_with_logit_bias(model, leaves))
        own, name = SIGLIP[model.image.kind]
        family, problems = f"huggingface_{own}", _not_siglip(model)
    _refuse(problems, "transformers", name)
    return family, huggingface.config_of(model, **facts), write(huggingface.entries(model), leaves)


def _open_clip(model: ConfigDict, leaves: Tensors, facts: dict[str, Any]) -> tuple[str, Any, Tensors]:
    model, leaves = _learned_positions(model, leaves)
    model, leaves = _class_positions(*_without_patch_bias(model, leaves))
    _refuse(_not_open_clip(model), "open_clip", "towers")
    config = open_clip.config_of(model, **facts)
    return "open_clip", config, write(open_clip.entries(config["model_cfg"], model), leaves)


def _our_own(model: ConfigDict, kinds: Collection[str]) -> list[str]:
    """What towers may have that a format of these kinds of image towers has no word for."""
    image, text = model.image, model.text
    return _unless(
        (image.kind in kinds, f"model.image.kind='{image.kind}' is not {' or '.join(map(repr, kinds))}"),
        (
            image.position in ("learned", "sincos2d"),
            f"model.image.position is '{image.position}'",
        ),
        *(
            (tower.activation in WRITTEN, f"model.{name}.activation='{tower.activation}'")
            for name, tower in (("image", image), ("text", text))
        ),
        *((image[name] == off, f"model.image.{name} is {image[name]!r}") for name, off in _OFF.items()),
        (not image.last_heads, f"model.image.last_heads={image.last_heads} is not 0"),
        (not image.layer_scale, f"model.image.layer_scale={image.layer_scale} is not 0"),
        (not image.top_blocks, f"model.image.top_blocks={image.top_blocks} are blocks of another kind"),
        (not image.prompts, f"model.image.prompts={image.prompts} are learned tokens of its layers"),
        (not text.context, f"model.text.context={text.context} are learned vectors in its texts"),
        (text.kind in TEXTS, f"model.text.kind='{text.kind}' is not {' or '.join(map(repr, TEXTS))}"),
        (not text.layer_scale, f"model.text.layer_scale={text.layer_scale} is not 0"),
        (not text.post_norm, "model.text.post_norm is True"),
    )


def _refuse(problems: list[str], library: str, name: str) -> None:
    if problems:
        raise UserError(f"{library}'s {name} cannot be this model: {'; '.join(problems)}")


def _unless(*conditions: tuple[bool, str]) -> list[str]:
    return [problem for holds, problem in conditions if not holds]


def _kinds(model: ConfigDict) -> tuple[str, str]:
    return (model.image.projection or model.projection, model.text.projection or model.projection)


def _hides_nothing(model: ConfigDict) -> bool:
    """Whether what stands behind a text is read, or cannot be seen anyway."""
    text = model.text
    return text.pool == "last" or text.attend_padding or (text.causal and text.pool == "end")


def _not_clip(model: ConfigDict, facts: dict[str, Any]) -> list[str]:
    image, text = model.image, model.text
    return _unless(
        (image.pre_norm, "model.image.pre_norm is not True"),
        (not image.norm_after_pool, "model.image.norm_after_pool is True"),
        (not image.registers, f"model.image.registers={image.registers} is not 0"),
        (text.causal, "model.text.causal is not True"),
        (text.pool == "end", f"model.text.pool='{text.pool}' is not 'end'"),
        (_kinds(model) == ("linear", "linear"), f"projections {_kinds(model)} are not 'linear'"),
        (not model.logit_bias.learn, "it has a logit bias"),
        # transformers takes 2 for the sign of an old config, and the highest id for the end.
        (facts["end"] != 2, "the tokenizer's end token has id 2"),
    )


def _not_siglip(model: ConfigDict) -> list[str]:
    image, text, width = model.image, model.text, tower_size(model.image).width
    return _unless(
        (not image.pre_norm, "model.image.pre_norm is True"),
        (not image.norm_after_pool, "model.image.norm_after_pool is True"),
        (not image.registers, f"model.image.registers={image.registers} is not 0"),
        (image.projection == "none", "an attention pool with a projection behind it"),
        (model.embed_dim == width, f"embed_dim={model.embed_dim} is not the image tower's width {width}"),
        (not text.causal, "model.text.causal is True"),
        (text.pool == "last", f"model.text.pool='{text.pool}' is not 'last'"),
        (text.projection == "biased", f"the projection of texts is '{text.projection}'"),
    )


def _not_open_clip(model: ConfigDict) -> list[str]:
    image, text = model.image, model.text
    kinds = _kinds(model)
    tokens = {"class": 0, "mean": 1}.get(image.pool, -1)
    vit = _unless(
        (image.pool in ("class", "mean"), f"model.image.pool='{image.pool}' is not 'class' or 'mean'"),
        (image.registers == tokens or tokens < 0, f"model.image.registers={image.registers} is not {tokens}"),
        (kinds[0] == "linear", f"the projection of images is '{kinds[0]}'"),
        (
            "quick_gelu" not in {image.activation, text.activation} or image.activation == text.activation,
            f"activations '{image.activation}' and '{text.activation}' in one model",
        ),
    )
    resnet = _unless((image.norm == "batch" and image.pool == "attention", "a resnet other than CLIP's own"))
    return {"vit": vit, "resnet": resnet}[image.kind] + _unless(
        (
            text.pool in ("end", "last", "first"),
            f"model.text.pool='{text.pool}' is not 'end', 'last', 'first'",
        ),
        (_hides_nothing(model), "its texts hide their padding (model.text.attend_padding is False)"),
        (kinds[1] in ("linear", "biased", "none"), f"the projection of texts is '{kinds[1]}'"),
    )


# Rewritings that change no output.


def _changed(model: ConfigDict, tower: str, **settings: Any) -> ConfigDict:
    copy = model.copy_and_resolve_references()
    copy[tower].update(settings)
    return copy


def _learned_positions(model: ConfigDict, leaves: Tensors) -> Model:
    """Fixed positions as a table."""
    image = model.image
    if image.position == "learned":
        return model, leaves
    table = np.asarray(sincos2d(image.resolution // image.patch_size, tower_size(image).width), np.float32)
    return _changed(model, "image", position="learned"), {**leaves, "image/position/embedding": table}


def _without_patch_bias(model: ConfigDict, leaves: Tensors) -> Model:
    """The bias of patches as part of their positions."""
    if "image/patch_embedding/bias" not in leaves:
        return model, leaves
    rest = {path: leaf for path, leaf in leaves.items() if path != "image/patch_embedding/bias"}
    path = "image/position/embedding"
    rest[path] = leaves[path] + leaves["image/patch_embedding/bias"]
    return _changed(model, "image", patch_bias=False), rest


def _patch_bias(model: ConfigDict, leaves: Tensors) -> Model:
    """A bias of zero where there is none."""
    if "image/patch_embedding/bias" in leaves:
        return model, leaves
    bias = np.zeros(leaves["image/patch_embedding/kernel"].shape[1], np.float32)
    return _changed(model, "image", patch_bias=True), {**leaves, "image/patch_embedding/bias": bias}


def _class_positions(model: ConfigDict, leaves: Tensors) -> Model:
    """Positions of zero for a class token that has none."""
    if "image/class_token" not in leaves or model.image.class_position:
        return model, leaves
    zeros = np.zeros_like(leaves["image/class_token"])
    return _changed(model, "image", class_position=True), {**leaves, "image/class_position": zeros}


def _mean_as_attention(model: ConfigDict, leaves: Tensors) -> Model:
    """A mean, and the linear projection behind it, as an attention to everything alike with an MLP of zeros."""
    image, size = model.image, tower_size(model.image)
    if image.pool != "mean" or _kinds(model)[0] != "linear" or model.embed_dim != size.width:
        return model, leaves
    width, pool = size.width, "image/attention_pool"
    eye, zero = np.eye(width, dtype=np.float32), np.zeros((width, width), np.float32)
    split = [x.reshape(width, size.heads, -1) for x in (zero, eye)]
    rest = {path: leaf for path, leaf in leaves.items() if path != "image_projection/kernel"}
    shapes = {
        f"{pool}/query": (width,),
        f"{pool}/key_value/bias": (2 * width,),
        f"{pool}/out/bias": (width,),
        f"{pool}/norm/bias": (width,),
        f"{pool}/mlp/up/kernel": (width, size.mlp_dim),
        f"{pool}/mlp/up/bias": (size.mlp_dim,),
        f"{pool}/mlp/down/kernel": (size.mlp_dim, width),
        f"{pool}/mlp/down/bias": (width,),
    }
    rest |= {path: np.zeros(shape, np.float32) for path, shape in shapes.items()}
    rest[f"{pool}/key_value/kernel"] = np.stack(split, axis=-2).reshape(width, -1)
    rest[f"{pool}/out/kernel"] = leaves["image_projection/kernel"]
    rest[f"{pool}/norm/scale"] = np.ones(width, np.float32)
    return _changed(model, "image", pool="attention", projection="none"), rest


def _published_pool(model: ConfigDict, leaves: Tensors) -> Model:
    """A learned query as the bias of a projection of zeros."""
    path = "image/attention_pool/query"
    if model.image.pool != "attention" or model.image.project_query or path not in leaves:
        return model, leaves
    query = leaves[path]
    added = {
        path: np.zeros_like(query),
        f"{path}_projection/kernel": np.zeros((len(query), len(query)), np.float32),
        f"{path}_projection/bias": query,
    }
    return _changed(model, "image", project_query=True), {**leaves, **added}


def _biased_text(model: ConfigDict, leaves: Tensors) -> Model:
    """A bias of zero where a linear projection of texts has none."""
    if _kinds(model)[1] != "linear":
        return model, leaves
    bias = np.zeros(model.embed_dim, np.float32)
    return _changed(model, "text", projection="biased"), {**leaves, "text_projection/bias": bias}


def _with_logit_bias(model: ConfigDict, leaves: Tensors) -> Model:
    """A logit bias of zero where there is none; it shifts all scores alike."""
    if model.logit_bias.learn:
        return model, leaves
    return _changed(model, "logit_bias", learn=True), {**leaves, "logit_bias": np.zeros((), np.float32)}
