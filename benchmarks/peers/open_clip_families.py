"""Every model that open_clip lists, at random and cut short: imported, and compared with open_clip's own code.

A config is taken as it is, but for what changes its size alone: two blocks in every stage, two heads or narrow stages,
images of a few patches, and the few ids of a tokenizer that is made here. Models that this makes equal are tried once.
What is known of the text towers of Hugging Face stands in HUGGINGFACE, as nothing is fetched.
`python -m benchmarks.peers.open_clip_families [REGEX]` says what becomes of the models, and with --write the table of
docs/interop.md says it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import logging
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from PIL import Image

TOLERANCE = 1e-5
PAGE = Path(__file__).resolve().parents[2] / "docs" / "interop.md"
START, END = "<!-- open_clip's models -->", "<!-- end of open_clip's models -->"
MOST = 88  # characters of a cell
REFUSED = "refused: "
TEXTS = ("a photo of a red fox", "Two cups", "", "long flowers " * 60)
NARROW = (16, 32, 64, 128, 256)
# Blocks in each stage and their channels, by what timm calls them.
SIZES: dict[str, dict[str, Any]] = {
    "convnext": {"depths": (2, 2, 2, 2), "dims": NARROW[:4]},
    "swin": {"depths": (2, 2, 2, 2)},
    "fastvit_mci3": {"layers": (2, 2, 2, 2, 2), "embed_dims": NARROW},
    "fastvit_mci4": {"layers": (2, 2, 2, 2, 2), "embed_dims": NARROW},
    "fastvit": {"layers": (2, 2, 2, 2), "embed_dims": NARROW[:4]},
    "": {"depth": 2},
}
# Towers of one width, as their stem or their positions are made for it, and those of one side.
AS_WIDE = ("vitamin", "vit_base_mci", "vit_relpos", *filter(None, SIZES))
AS_CONVOLVED = ("convnext", "fastvit")  # which are of no side
AS_LARGE = ("vit_pe", "vit_relpos", "swin")
ROBERTA = {
    "num_hidden_layers": 2, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
}  # fmt: skip
NLLB = {
    "encoder_layers": 2, "decoder_layers": 1, "d_model": 1024, "encoder_attention_heads": 16, "scale_embedding": True,
    "pad_token_id": 1,
}  # fmt: skip
MT5 = {"num_layers": 2, "num_decoder_layers": 1}
# The configs of what open_clip names as text towers: their class in transformers, and what differs from its defaults.
HUGGINGFACE: dict[str, tuple[str, dict[str, Any]]] = {
    "roberta-base": ("RobertaConfig", ROBERTA),
    "xlm-roberta-base": ("XLMRobertaConfig", ROBERTA),
    "xlm-roberta-large": (
        "XLMRobertaConfig",
        {**ROBERTA, "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16},
    ),
    "facebook/nllb-200-distilled-600M": ("M2M100Config", {**NLLB, "encoder_ffn_dim": 4096}),
    "facebook/nllb-200-distilled-1.3B": ("M2M100Config", {**NLLB, "encoder_ffn_dim": 8192}),
    "google/mt5-base": ("MT5Config", {**MT5, "d_model": 768, "d_ff": 2048, "num_heads": 12}),
    "google/mt5-xl": ("MT5Config", {**MT5, "d_model": 2048, "d_ff": 5120, "num_heads": 32}),
}
# Rows behind those of all ids, of NLLB as it is published.
SPARE = {"facebook/nllb-200-distilled-600M": 2, "facebook/nllb-200-distilled-1.3B": 2}
# How tokenizers go around a text and pad it: their class where its pieces can be those of any, their special tokens in
# the order of their ids, begin, end, padding.
ANY = "PreTrainedTokenizerFast"
ROBERTA_IDS = ("<s>", "<pad>", "</s>", "<unk>")
TOKENIZERS = {
    r"xlm": ("XLMRobertaTokenizer", ROBERTA_IDS, "<s>", "</s>", "<pad>"),
    r"roberta": (ANY, ROBERTA_IDS, "<s>", "</s>", "<pad>"),
    r"nllb": (ANY, (*ROBERTA_IDS, "eng_Latn"), "eng_Latn", "</s>", "<pad>"),
    r"mt5": ("T5Tokenizer", ("<pad>", "</s>", "<unk>"), "", "</s>", "<pad>"),
    r"SigLIP2|gopt": (ANY, ("<pad>", "<eos>", "<bos>", "<unk>"), "", "<eos>", "<pad>"),
    r"SigLIP": ("T5Tokenizer", ("<unk>", "</s>"), "", "</s>", "</s>"),
    r"bert": (ANY, ("[PAD]", "[UNK]", "[CLS]", "[SEP]"), "[CLS]", "[SEP]", "[PAD]"),
}


class Outcome(NamedTuple):
    """What became of a model: the largest difference of its unit vectors, or why it was refused."""

    difference: float | None
    refusal: str = ""

    @property
    def holds(self) -> bool:
        """Tells whether it encodes as open_clip does, or was refused."""
        return self.difference is None or self.difference <= TOLERANCE

    def __str__(self) -> str:
        return f"{REFUSED}{self.refusal}" if self.difference is None else f"{self.difference:.0e}"


def shrunk(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a config of few and narrow blocks, and of the same structure."""
    config = json.loads(json.dumps(config))
    vision, text = config["vision_cfg"], config["text_cfg"]
    vision["image_size"] = few_patches(vision)
    if vision.get("timm_proj") == "none":  # then the tower's width is that of the joint space
        config["embed_dim"] = timm_size(vision["timm_model_name"])["embed_dim"]
    if isinstance(vision.get("layers"), list):
        vision["width"] = 32
    elif "layers" in vision:
        vision |= {"layers": 2, "width": 2 * vision.get("head_width", 64)}
    if "layers" in text:
        text["layers"] = 2
        size = text["width"] // text["heads"]
        width = config["embed_dim"] if text.get("proj_type") == "none" else 2 * size
        text |= {"width": width, "heads": width // size}
    if "multimodal_cfg" in config:
        config["multimodal_cfg"]["layers"] = 2
    return config


def few_patches(vision: dict[str, Any]) -> int:
    """Returns a side of four patches, and of as many pixels beyond them as the tower's own has.

    Convolutions make a 32nd of an image, and ViTamin's stem a 16th; timm names a tower by its patches. Of some towers
    the side says what their positions are.
    """
    name: str = vision.get("timm_model_name", "")
    if name.startswith(AS_LARGE):
        return int(vision["image_size"])
    named = re.search(r"_patch(\d+)", name)
    patch = int(named[1]) if named else (vision.get("patch_size") or 32)
    return 4 * patch + vision["image_size"] % patch


@functools.cache
def timm_size(name: str) -> dict[str, Any]:
    """Returns what makes one of timm's towers small: blocks and channels, or two heads of the width of its own."""
    import timm
    import torch

    size = next(size for start, size in SIZES.items() if name.startswith(start))
    if name.startswith(AS_WIDE):
        return size
    with torch.device("meta"):
        model = timm.create_model(name, depth=1)
    heads: int = model.blocks[0].attn.num_heads
    return {**size, "embed_dim": 2 * model.embed_dim // heads, "num_heads": 2}


def tokenizer_files(name: str, folder: Path) -> int:
    """Writes a tokenizer of single letters that goes around texts as the named one does, and returns its ids."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    kind, special, begin, end, pad = next(one for part, one in TOKENIZERS.items() if re.search(part, name))
    unknown = next(token for token in special if "unk" in token.lower())
    pieces = [*special, *map(chr, range(33, 127)), "\u2581", "ed", "fo", "\u2581a", "er", "\u2581photo"]
    scores = [(piece, -1.0 - place / 100) for place, piece in enumerate(pieces)]
    pipeline = Tokenizer(models.Unigram(scores, special.index(unknown), False))
    pipeline.normalizer = normalizers.NFKC()
    pipeline.pre_tokenizer = pre_tokenizers.Metaspace()
    pipeline.decoder = decoders.Metaspace()
    pipeline.add_special_tokens(list(special))
    ids = {token: special.index(token) for token in (begin, end) if token}
    pipeline.post_processor = processors.TemplateProcessing(
        f"{begin} $A {end}".strip(), None, list(ids.items())
    )
    pipeline.save(str(folder / "tokenizer.json"))
    said = {
        "tokenizer_class": kind,
        "pad_token": pad,
        "sep_token": end,
        "eos_token": end,
        "unk_token": unknown,
    }
    said |= {"extra_ids": 0} if kind == "T5Tokenizer" else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return len(pieces)


def write_config(config: dict[str, Any], folder: Path) -> None:
    """Writes open_clip_config.json as `push_to_hf_hub` does, and the tokenizer if it is not open_clip's own."""
    text = config["text_cfg"]
    if name := text.get("hf_tokenizer_name"):
        text["vocab_size"] = tokenizer_files(name, folder) + SPARE.get(name, 0)
    elif text["vocab_size"] != 49408:
        text["vocab_size"] = 49408
    pixels = {
        "mean": [0.5, 0.4, 0.45],
        "std": [0.25, 0.27, 0.3],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    content = {"model_cfg": config, "preprocess_cfg": pixels}
    (folder / "open_clip_config.json").write_text(json.dumps(content))


@contextlib.contextmanager
def _nothing_fetched(vocabulary: int, vision: dict[str, Any]) -> Iterator[None]:
    """Small towers of timm, and those of Hugging Face, whose configs are taken from here."""
    import timm
    import transformers

    create, size = timm.create_model, {}
    if tower := vision.get("timm_model_name", ""):
        sided = {} if tower.startswith(AS_CONVOLVED) else {"img_size": vision["image_size"]}
        size = {**timm_size(tower), **sided}

    def short(name: str, *args: Any, **options: Any) -> Any:
        return create(name, *args, **{**options, **size})

    def config_of(name: str) -> Any:
        kind, said = HUGGINGFACE[name]
        return getattr(transformers, kind)(vocab_size=vocabulary, **said)

    with (
        mock.patch.object(timm, "create_model", short),
        mock.patch.object(transformers.AutoConfig, "from_pretrained", config_of),
        mock.patch("open_clip.hf_model.AutoConfig.from_pretrained", config_of),
    ):
        yield


def shaken(model: Any) -> Any:
    """Moves every parameter by chance, biases and scales too, which begin as zeros and ones."""
    import torch

    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.is_floating_point() and ("running" in name or isinstance(tensor, torch.nn.Parameter)):
                noise = 0.05 * torch.randn(tensor.shape, generator=dice)
                tensor.add_(noise.abs() if "running_var" in name else noise)
    return model.eval()


def pictures() -> list[Image.Image]:
    """Returns two pictures of random blocks."""
    dice = np.random.default_rng(0)
    small = [dice.integers(0, 256, (12, 12, 3), np.uint8) for _ in range(2)]
    return [Image.fromarray(one).resize((300, 260), Image.Resampling.BICUBIC) for one in small]


def theirs(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Makes open_clip's model of the config in a folder, saves it there, and returns its rows of images and texts."""
    import open_clip
    import torch
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from safetensors.torch import save_file

    content = json.loads((folder / "open_clip_config.json").read_text())
    model_cfg = content["model_cfg"]
    with _nothing_fetched(model_cfg["text_cfg"]["vocab_size"], model_cfg["vision_cfg"]):
        torch.manual_seed(0)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    shaken(model)
    save_file(
        {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    size = model.visual.image_size
    view = image_transform_v2(PreprocessCfg(size=size, **content["preprocess_cfg"]), is_train=False)
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        images = model.encode_image(torch.stack([view(one) for one in pictures()]), normalize=True)
        texts = model.encode_text(tokenizer(list(TEXTS)), normalize=True)
    return images.numpy(), texts.numpy()


def ours(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Imports the model in a folder and returns its rows of images and texts.

    Raises:
      UserError: it is refused.
    """
    from flax import nnx
    from ml_collections import FrozenConfigDict

    from vlp.configuration import completed
    from vlp.interop.imported import import_model
    from vlp.model import Model
    from vlp.models.compute import resolve_compute
    from vlp.models.dual_encoder import DualEncoder
    from vlp.models.variables import merged

    found = import_model(folder, completed({})["interop"])
    config, tokenizer = FrozenConfigDict(json.loads(json.dumps(found.config))), found.tokenizer
    abstract = nnx.eval_shape(
        lambda: DualEncoder(
            config.model,
            vocabulary_size=tokenizer.vocabulary_size,
            length=tokenizer.length,
            compute=resolve_compute(config.model),
            rngs=nnx.Rngs(0),
        )
    )
    variables = merged(found.variables["params"]["model"], found.variables.get("rest", {}).get("model", {}))
    model = Model(
        nnx.graphdef(abstract),
        variables,
        config=config,
        preprocessing=found.preprocessing,
        tokenizer=tokenizer,
        batch_size=8,
        mesh=None,
        parts=dict,
    )
    return model.encode_image(pictures()), model.encode_text(list(TEXTS))


def tried(name: str) -> Outcome:
    """Returns what becomes of one of open_clip's models."""
    import open_clip

    return _tried(json.dumps(shrunk(open_clip.get_model_config(name)), sort_keys=True))


@functools.cache
def _tried(config: str) -> Outcome:
    from input_pipeline.errors import UserError

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_config(json.loads(config), folder)
        expected = theirs(folder)
        try:
            found = ours(folder)
        except UserError as error:
            return Outcome(None, str(error).replace(str(folder), "FOLDER"))
    return Outcome(max(float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True)))


def rows() -> dict[str, str]:
    """Returns what the table in the documentation says of each model."""
    lines = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0].splitlines()
    cells = (line.strip("| ").split(" | ", 1) for line in lines if line.startswith("| `"))
    return {name.strip("`"): said for name, said in cells}


def write(said: Mapping[str, str]) -> None:
    """Puts the table into the documentation."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    table = [f"| `{name}` | {outcome} |" for name, outcome in said.items()]
    imported = sum(not outcome.startswith(REFUSED) for outcome in said.values())
    sentence = f"{imported} of {len(said)} are imported, and the others refused by name."
    lines = [START, "", sentence, "", "| model | largest difference |", "| --- | --- |", *table, "", END]
    PAGE.write_text(before + "\n".join(lines) + rest.partition(END)[2], encoding="utf-8")


def cell(outcome: Outcome) -> str:
    """Returns what stands in the table: of a refusal what fits into a line."""
    said = str(outcome).replace("open_clip_config.json: ", "")
    return said if len(said) <= MOST else f"{said[:MOST]}..."


def main() -> None:
    """Tries the models whose names match, and says what became of each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="?", default="", help="a regular expression")
    parser.add_argument("--write", action="store_true", help=f"put their rows into {PAGE.name}")
    options = parser.parse_args()
    import open_clip

    logging.disable(logging.WARNING)  # open_clip's, that nothing is trained
    known, listed = rows(), open_clip.list_models()
    for name in listed:
        if re.search(options.names, name):
            outcome = tried(name)
            known[name] = cell(outcome)
            print(f"{'ok   ' if outcome.holds else 'WRONG'} {name}: {outcome}", flush=True)
            if options.write:  # each at once: all of them take a while
                write({one: known[one] for one in listed if one in known})


if __name__ == "__main__":
    main()
