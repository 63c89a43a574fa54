"""The two towers and what joins them."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count, natural, not_negative, positive, share_below_one

ACTIVATIONS = ("gelu", "gelu_tanh", "quick_gelu", "relu", "silu")
PROJECTIONS = ("linear", "mlp", "relu")
OWN_PROJECTIONS = ("", "linear", "biased", "mlp", "gelu", "relu", "none")

IMAGE = {
    # Of convolutional towers nothing below `depth` has a meaning but the resolution and, for a resnet, `norm` and
    # pool='attention' with its heads.
    "kind": Setting("vit", "a family of vlp/models/families, or your own: package.module:Class"),
    "size": Setting(
        "S",
        "Ti ... So400m, R50 ..., B0 ..., Lite0 ..., MCi0 ..., by the family; '' = by the four numbers below",
    ),
    "width": natural(
        0, "of tokens; of a convolutional tower: channels after the stem, which all others follow"
    ),
    "depth": natural(0, "blocks; of a convolutional tower: in each stage"),
    "heads": natural(0, "of attention"),
    "mlp_dim": natural(0, "hidden units of a block"),
    "patch_size": count(16, "side of a patch, in pixels"),
    "resolution": count(
        224, "side of an image, in pixels; of kind 'naflex', of the grid of learned positions"
    ),
    "patches": natural(
        0, "of an image at its own aspect ratio, at most: kind 'naflex', with data.image.resize='squash'"
    ),
    "position": Setting(
        "learned",
        "position embeddings; centred = relative to the image (DINOv3), learned_rotary2d = both (EVA-02)",
        choices=("learned", "sincos2d", "rotary2d", "rotary2d_centred", "learned_rotary2d", "none"),
    ),
    "pool": Setting(
        "mean",
        "what becomes the image's output; class_mean = the class token and the mean, side by side (dino.txt)",
        choices=("class", "mean", "class_mean", "attention"),
    ),
    "registers": natural(0, "tokens beside the patches"),
    "patch_dropout": share_below_one(0.0, "share of the patches that training drops"),
    # What other projects' models have; the defaults are what this one trains best.
    "activation": Setting("gelu_tanh", "of the blocks", choices=ACTIVATIONS),
    "norm_eps": positive(1e-6, "of layer norms"),
    "pre_norm": Setting(False, "a norm before the first block (CLIP)"),
    "norm_after_pool": Setting(False, "the last norm is that of the mean, not of each patch (CLIPA)"),
    "patch_bias": Setting(True, "a bias of the patch embedding"),
    "drop_rest": Setting(
        False, "the resolution need not be a multiple of patch_size; what is beyond is not seen"
    ),
    "class_position": Setting(False, "positions for class token and registers, too"),
    "stem": Setting(
        "",
        "what embeds patches of 16; '' = a linear layer, nested = layers over squares within them (MobileCLIP-B), "
        "mobile = inverted bottlenecks (ViTamin)",
        choices=("", "nested", "mobile"),
    ),
    "stem_width": natural(0, "of a stem's first layers"),
    "rotary_base": positive(100.0, "of the wavelengths of rotary positions"),
    "rotary_grid": natural(
        0, "patches a side that rotary positions are counted by; 0 = as many as there are (EVA-02)"
    ),
    "rotary_first": natural(
        0, "rotary position of the first patch; class token and registers have none (PE)"
    ),
    "gated": Setting(False, "the activation of a second layer up multiplies the first's output (SwiGLU)"),
    "sub_norm": Setting(
        "",
        "one more norm: within = of what attention and MLP project back (EVA-02), before = of what enters the MLP "
        "(ViTamin)",
        choices=("", "within", "before"),
    ),
    "branch_norm": Setting(False, "norms follow the branches of a block, within its sums (EVA-02-E)"),
    "project_query": Setting(
        False, "of attention pooling: a linear layer between what is learned and the query"
    ),
    "pool_heads": natural(0, "of attention pooling; 0 = as many as the blocks have"),
    "pool_mlp_dim": natural(0, "hidden units of attention pooling; 0 = as many as the blocks have"),
    "pool_prefix": Setting(False, "attention pooling reads registers, too (PE)"),
    "projection": Setting(
        "",
        "'' = model.projection; biased = linear with a bias, gelu = two layers, none = the output itself",
        choices=OWN_PROJECTIONS,
    ),
    "projection_dim": natural(0, "hidden units of projection='gelu'; 0 = model.embed_dim"),
    "layer_scale": not_negative(0.0, "of both branches of a block, at first; 0 = they are not scaled (CaiT)"),
    "drop_path": share_below_one(
        0.0, "share of the last block's branches that training drops, growing from 0 at the first"
    ),
    "last_heads": natural(0, "of the last block's attention; 0 = as many as the others have"),
    "prompts": natural(0, "learned tokens beside the patches, put into each layer anew (VPT); 0 = none"),
    "prompt_layers": natural(0, "first layers that have them; 0 = all"),
    "top_blocks": natural(0, "blocks behind the last norm, under `top`, for a tower that is held (dino.txt)"),
    "norm": Setting(
        "group",
        "of a resnet or an efficientnet; batch = as published, with constant statistics",
        choices=("group", "batch"),
    ),
    "last_convolution": Setting(
        False,
        "of an efficientnet: of single cells, behind the stages, as its classifier has it (Lite: always)",
    ),
}

TEXT = {
    # bag: the mean of embedded words and n-grams, and an MLP of `width` and `mlp_dim`, for which nothing else has a
    # meaning.
    "kind": Setting("transformer", "a family of vlp/models/families, or your own: package.module:Class"),
    "size": Setting("S", "Ti ... So400m; '' = by the four numbers below"),
    "width": natural(0, "of tokens"),
    "depth": natural(0, "blocks"),
    "heads": natural(0, "of attention"),
    "mlp_dim": natural(0, "hidden units of a block"),
    "causal": Setting(True, "a token sees those before it alone"),
    "pool": Setting(
        "end", "what becomes the text's output", choices=("first", "end", "last", "mean", "max", "attention")
    ),
    "attend_padding": Setting(False, "whatever stands behind a text is read as well"),
    "ngrams": count(1, "of a bag: the longest run of tokens that has an embedding of its own"),
    "buckets": count(65_536, "of a bag: rows that n-grams longer than 1 are hashed to"),
    "activation": Setting("gelu_tanh", "of the blocks", choices=ACTIVATIONS),
    "norm_eps": positive(1e-6, "of layer norms"),
    "layer_scale": not_negative(0.0, "of both branches of a block, at first; 0 = they are not scaled"),
    "post_norm": Setting(False, "norms follow what is added up, and the embedding (BERT)"),
    "project_query": Setting(
        False, "of attention pooling: a linear layer between what is learned and the query"
    ),
    "projection": Setting("", "'' = model.projection", choices=OWN_PROJECTIONS),
    "projection_dim": natural(0, "hidden units of projection='gelu'; 0 = model.embed_dim"),
    # A context that is learned instead of written (CoOp); texts are names then, as in '{}.'.
    "context": natural(0, "learned tokens in every text; 0 = none"),
    "context_place": Setting(
        "end",
        "of the names: behind the context, in its middle or before it",
        choices=("end", "middle", "front"),
    ),
    "context_words": Setting("", "that it begins as, as 'a photo of a'; '' = random vectors"),
    "context_texts": Setting(
        "", "an entry of data.texts, of which each has its own; '' = all texts share one"
    ),
    "context_classes": natural(0, "texts of that entry"),
    "context_head": natural(1, "tokens before context and name: the one that begins a text"),
    "context_tail": count(2, "tokens behind both: the full stop, and the one that ends a text"),
}

SETTINGS = {
    "embed_dim": count(512, "of image and text embeddings"),
    "projection": Setting(
        "linear",
        "from towers to embeddings; mlp = two layers with a ReLU, relu = one and a ReLU",
        choices=PROJECTIONS,
    ),
    "dtype": Setting(
        "float32", "of activations; parameters and losses are float32", choices=("float32", "bfloat16")
    ),
    "attention": Setting("auto", "which implementation", choices=("auto", "xla", "cudnn", "fused")),
    "scan_blocks": Setting(
        "auto", "one program for all blocks, or each its own", choices=("auto", "scan", "unroll")
    ),
    "remat": Setting(
        "none",
        "what is computed again in the backward pass: light = all but products, mlp = its hidden units, too",
        choices=("none", "light", "mlp", "dots", "full"),
    ),
    "micro_batch": natural(0, "examples whose activations are held at a time (GradCache); 0 = all"),
    "logit_scale": {
        "init": positive(1 / 0.07, "of cosines, at first"),
        "min": not_negative(0.0, "that it is clamped to after an update, where it is learned"),
        "max": positive(100.0, "that it is clamped to after an update, where it is learned"),
        "learn": Setting(True, "whether it is learned"),
    },
    "logit_bias": {
        "init": Setting(-10.0, "of the sigmoid kernel, at first"),
        "learn": Setting(False, "whether there is one"),
    },
    "adapters": {
        "rules": Setting(
            "",
            "'regex = lora 8; regex = lora 8 qv; regex = bottleneck 32', over paths as "
            "model/image/transformer/blocks/attention/qkv",
        ),
        "alpha": positive(16.0, "what LoRA adds is multiplied by it, and divided by the rank"),
    },
    "image": IMAGE,
    "text": TEXT,
}


def check(model: Any, config: Any, where: str) -> None:
    """Checks that the scale begins within its bounds, and that a learned context is whole."""
    check_logit_scale(model.logit_scale, where)
    _check_context(model.text, f"{where}.text")


def _check_context(text: Any, where: str) -> None:
    for name in ("context_words", "context_texts"):
        if text[name] and not text.context:
            raise ValueError(
                f"{where}.{name}={text[name]!r} is of a learned context: set {where}.context, too"
            )
    if bool(text.context_texts) != bool(text.context_classes):
        raise ValueError(
            f"{where}.context_texts={text.context_texts!r} and context_classes={text.context_classes} belong together: "
            "name an entry of data.texts and how many texts it has, or leave both"
        )


def check_logit_scale(scale: Any, where: str) -> None:
    """Checks that a scale begins within its bounds."""
    where = f"{where}.logit_scale.init={scale.init:g}"
    if scale.init > scale.max:
        raise ValueError(f"{where} is above its max={scale.max:g}: raise max")
    if scale.init < scale.min:
        raise ValueError(f"{where} is below its min={scale.min:g}: lower min")
