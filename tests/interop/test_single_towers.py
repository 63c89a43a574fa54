"""Towers of other projects by themselves: randomly initialised, imported, compared with their own code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from test_import_and_export import imported, own_tokenizer, pairs, shaken
from test_imported import refusal

from vlp.interop import efficientnet, timm_towers
from vlp.interop.images import preprocessing_of
from vlp.interop.mapping import read
from vlp.interop.tokenizer_json import sentencepiece_json

torch = pytest.importorskip("torch", reason="torch is a peer, not a dependency")
transformers = pytest.importorskip("transformers", reason="transformers is a peer, not a dependency")
timm = pytest.importorskip("timm", reason="timm is a peer, not a dependency")

__all__ = ["pairs"]

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
WORDS = ("a photo of the red fox", "Two CAFÉ cups, isn't it?", "unbelievably long flowers", "")


def unit(rows: Any) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def trained(model: Any, trainer: Any, split: Any, normalizer: Any = None) -> Any:
    """A tokenizer of the `tokenizers` library for a few words."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = split
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator([text for text in WORDS for _ in range(3)], trainer)
    return tokenizer


def wordpiece(folder: Path) -> int:
    """BERT's vocab.txt, as older folders have it."""
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=90, special_tokens=names, show_progress=False)
    normalizer = normalizers.BertNormalizer(lowercase=True)
    parts = pre_tokenizers.BertPreTokenizer()
    vocabulary = trained(models.WordPiece(unk_token="[UNK]"), trainer, parts, normalizer).get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n")
    said = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 12}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return len(vocabulary)


def byte_level(folder: Path) -> int:
    """RoBERTa's vocab.json and merges.txt."""
    from tokenizers import models, pre_tokenizers, trainers

    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=names, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer = trained(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.model.save(str(folder))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "RobertaTokenizer", "model_max_length": 12})
    )
    return tokenizer.get_vocab_size()


def unigram(folder: Path) -> int:
    """A tokenizer.json, as XLM-R's folders have it."""
    own = own_tokenizer()
    (folder / "tokenizer.json").write_bytes(sentencepiece_json(own.to_bytes(), own.special, "lower"))
    said = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 12, "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return own.vocabulary_size


def bert_folder(folder: Path, kind: str = "bert", **changes: Any) -> Path:
    folder.mkdir(parents=True)
    rows = {"bert": wordpiece, "roberta": byte_level, "xlm-roberta": unigram}[kind](folder)
    pad = {"bert": 0, "roberta": 1, "xlm-roberta": 0}[kind]
    config, build = {
        "bert": (transformers.BertConfig, transformers.BertForMaskedLM),
        "roberta": (transformers.RobertaConfig, transformers.RobertaModel),
        "xlm-roberta": (transformers.XLMRobertaConfig, transformers.XLMRobertaModel),
    }[kind]
    torch.manual_seed(0)
    model = build(
        config(vocab_size=rows, max_position_embeddings=16, pad_token_id=pad, **{**SIZE, **changes})
    )
    shaken(model).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("kind", "pool"), [("bert", "first"), ("roberta", "mean"), ("xlm-roberta", "first")])
def test_a_text_tower_reads_as_transformers_does(kind: str, pool: str, tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "theirs", kind)
    if pool == "mean":  # as sentence-transformers says it
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    length = ["--config.interop.text_length=10"] if kind == "xlm-roberta" else []
    if (
        not length
    ):  # sentence-transformers' own of any kind, and lower case, which BERT's tokenizer makes anyway
        sentences = {"max_seq_length": 10, "do_lower_case": kind == "bert"}
        (folder / f"sentence_{kind}_config.json").write_text(json.dumps(sentences))
    ours = imported(folder, tmp_path / "ours", *length)
    peer = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    options = {"padding": "max_length", "truncation": True, "max_length": 10, "return_tensors": "pt"}
    inputs = tokenizer(list(WORDS), **options)
    inputs.pop("token_type_ids", None)
    np.testing.assert_array_equal(ours.tokenizer.encode(list(WORDS))[0], inputs["input_ids"])
    with torch.no_grad():
        tokens = peer(**inputs).last_hidden_state.numpy()
    mask = inputs["attention_mask"].numpy()[..., None]
    rows = tokens[:, 0] if pool == "first" else (tokens * mask).sum(1) / mask.sum(1)
    np.testing.assert_allclose(ours.encode_text(list(WORDS)), unit(rows), atol=1e-5)
    with pytest.raises(ValueError, match="needs a image tower"):
        ours.encode_image_array(np.zeros((1, 224, 224, 3), np.uint8))


def huggingface_image(folder: Path, kind: str) -> Path:
    build = {
        "dinov2": (transformers.Dinov2Config, transformers.Dinov2Model),
        "registers": (transformers.Dinov2WithRegistersConfig, transformers.Dinov2WithRegistersModel),
        "dinov3": (transformers.DINOv3ViTConfig, transformers.DINOv3ViTModel),
        "vit": (transformers.ViTConfig, transformers.ViTModel),
    }[kind]
    own = {"dinov3": {"num_register_tokens": 4}, "registers": {"num_register_tokens": 2}, "dinov2": {}}
    torch.manual_seed(0)
    model = build[1](build[0](image_size=32, patch_size=8, **SIZE, **own.get(kind, {})))
    shaken(model).save_pretrained(folder)
    edge = {"height": 32, "width": 32} if kind in ("vit", "dinov3") else {"shortest_edge": 24}
    crop = {} if "height" in edge else {"do_center_crop": True, "crop_size": {"height": 24, "width": 24}}
    said = {"size": edge, **crop, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize("kind", ["dinov2", "registers", "dinov3", "vit"])
def test_an_image_tower_of_transformers_sees_as_it_does_there(kind: str, tmp_path: Path) -> None:
    folder = huggingface_image(tmp_path / "theirs", kind)
    ours = imported(folder, tmp_path / "ours")
    side = ours.preprocessing["resolution"]
    assert side == (24 if kind in ("dinov2", "registers") else 32)  # resampled to what images get
    pixels = np.random.default_rng(0).normal(size=(3, side, side, 3)).astype(np.float32)
    peer = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    options = {"interpolate_pos_encoding": True} if kind == "vit" else {}
    with torch.no_grad():
        tokens = peer(torch.from_numpy(pixels.transpose(0, 3, 1, 2)), **options).last_hidden_state.numpy()
    np.testing.assert_allclose(ours.encode_pixels(pixels), unit(tokens[:, 0]), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "processor"),
    [("dinov2", ""), ("dinov2", "Bit"), ("vit", ""), ("vit", "CLIP"), ("dinov3_vit", "")],
)
def test_what_a_processor_does_not_say_is_what_it_is_there(
    model: str, processor: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model}))
    said = {"image_processor_type": f"{processor}ImageProcessor"} if processor else {"do_resize": True}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    ours = preprocessing_of(tmp_path, "dino")
    peer = transformers.AutoImageProcessor.from_pretrained(tmp_path, backend="pil", local_files_only=True)
    assert (ours["mean"], ours["std"]) == (pytest.approx(peer.image_mean), pytest.approx(peer.image_std))
    assert ours["interpolation"] == {2: "bilinear", 3: "bicubic"}[int(peer.resample)]
    crop = bool(getattr(peer, "do_center_crop", False))
    assert (ours["resolution"], ours["resize"]) == (224, "crop" if crop else "squash")


@pytest.mark.parametrize("processor", ["ViTFeatureExtractor", "DINOv3ViTImageProcessorFast"])
def test_a_size_that_is_one_number_is_a_square(processor: str, tmp_path: Path) -> None:
    said = {"feature_extractor_type": processor, "size": 96}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    ours = preprocessing_of(tmp_path, "dino")
    assert (ours["resolution"], ours["resize"]) == (96, "squash")


def timm_folder(folder: Path, kind: str) -> tuple[Path, Any]:
    torch.manual_seed(0)
    small = {"img_size": 28, "depth": 2, "embed_dim": 32, "num_heads": 4}
    name, arguments = {
        "vit": ("vit_tiny_patch16_224", {**small, "patch_size": 7}),
        "registers": ("vit_small_patch14_reg4_dinov2", small),
        "rotary": ("eva02_base_patch16_clip_224", {**small, "patch_size": 7}),
        "attention": ("vit_base_patch16_siglip_224", {**small, "patch_size": 7}),
        "convnext": ("convnext_tiny", {"depths": (2, 2, 2, 2), "dims": (16, 32, 64, 128)}),
        "lite": ("tf_efficientnet_lite0", {}),
        "b0": ("tf_efficientnet_b0", {}),
    }[kind]
    classes = 7 if kind in ("vit", "lite", "b0") else 0
    model = shaken(timm.create_model(name, pretrained=False, num_classes=classes, **arguments))
    timm.models.save_for_hf(model, folder, model_args=arguments, safe_serialization=True)
    return folder, model


KINDS = [
    "vit",
    "registers",
    "rotary",
    "attention",
    "convnext",
    "lite",
    pytest.param("b0", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_tower_of_timm_sees_as_it_does_there(kind: str, tmp_path: Path) -> None:
    folder, peer = timm_folder(tmp_path / "theirs", kind)
    if kind in ("lite", "b0"):  # of another side than it was published with
        said("config.json", pretrained_cfg={"input_size": [3, 64, 64]})(folder)
    flags = ["--config.interop.resolution=64"] if kind == "convnext" else []
    ours = imported(folder, tmp_path / "ours", *flags)
    side = ours.preprocessing["resolution"]
    assert side == (64 if kind in ("convnext", "lite", "b0") else 28)
    pixels = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    peer.reset_classifier(0)
    with torch.no_grad():
        rows = peer(torch.from_numpy(pixels.transpose(0, 3, 1, 2))).numpy()
    np.testing.assert_allclose(ours.encode_pixels(pixels), unit(rows), atol=1e-5)
    if kind != "lite":
        return
    # Under the names of efficientnet_pytorch it is the same tower: there, blocks are numbered through.
    tensors = load_file(folder / "model.safetensors")
    both = [efficientnet.single(one, timm=one is tensors) for one in (tensors, _renamed(tensors))]
    jax.tree.map(np.testing.assert_array_equal, *(read(one.entries, one.tensors, one.unused) for one in both))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ref_feat_shape": 8},
            "model_args.ref_feat_shape=8 is not supported with eva02_base_patch16_clip_224",
        ),
        ({"global_pool": "avg"}, "global_pool='avg'"),
        ({"act_layer": "relu"}, "model_args.act_layer='relu' is not supported"),
    ],
)
def test_an_argument_that_no_shape_tells_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder, _ = timm_folder(tmp_path / "theirs", "rotary")
    config = json.loads((folder / "config.json").read_text())
    config["model_args"] |= change
    tensors = load_file(folder / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        timm_towers.single(config, tensors, folder)


def _renamed(tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    firsts = np.cumsum([0, 1, 2, 2, 3, 3, 4])
    outside = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    inside = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
    inside |= {"conv_pwl": "_project_conv", "bn3": "_bn2", "classifier": "_fc"}
    alone = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    renamed = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"blocks\.(\d)\.(\d)\.(\w+)\.(\w+)", name)
        if match:
            stage, block, layer, kind = match.groups()
            names = alone if stage == "0" else inside
            new = f"_blocks.{firsts[int(stage)] + int(block)}.{names[layer]}.{kind}"
        else:
            layer, kind = name.split(".")
            new = f"{ {**outside, 'classifier': '_fc'}[layer] }.{kind}"
        renamed[new] = tensor
    return renamed


def said(file: str, **changes: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return write


def lacking(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file({key: value for key, value in load_file(path).items() if not key.endswith(name)}, path)

    return write


def lower_case_texts(folder: Path) -> None:
    said("tokenizer_config.json", do_lower_case=False)(folder)
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}')


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "an unknown kind of model": (
        said("config.json", model_type="t5"),
        "model_type='t5'.* is not one of 'clip', 'siglip', .*'bert'.*'dinov3_vit'",
    ),
    "another activation": (said("config.json", hidden_act="relu"), "hidden_act='relu'"),
    "a decoder": (said("config.json", is_decoder=True), "is_decoder=True is not supported"),
    "other positions": (
        said("config.json", position_embedding_type="relative_key"),
        "position_embedding_type='relative_key'",
    ),
    "more ids": (said("config.json", vocab_size=1000), "says 1000 ids, but the weights have"),
    "more layers": (said("config.json", num_hidden_layers=3), "missing: encoder.layer.2"),
    "no vocabulary": (
        lambda folder: (folder / "vocab.txt").unlink(),
        "has no tokenizer.json, which a tokenizer of the class 'BertTokenizer'",
    ),
    "a piece twice": (
        lambda folder: (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\na\n") and None,
        "6 lines and 5 pieces",
    ),
    "a switch that is none": (
        said("tokenizer_config.json", do_lower_case="no"),
        "do_lower_case='no' must be true",
    ),
    "lower case that the tokenizer would not make": (
        lower_case_texts,
        "do_lower_case=True of sentence-transformers is not supported",
    ),
    "a tensor too few": (lacking("word_embeddings.weight"), "missing: embeddings.word_embeddings.weight"),
}


def test_what_cannot_be_read_is_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    whole = bert_folder(tmp_path / "whole")
    capsys.readouterr()
    for name, (change, message) in BAD.items():
        folder = Path(shutil.copytree(whole, tmp_path / name.replace(" ", "_")))
        change(folder)
        assert re.search(message, refusal(folder, tmp_path / "ours", capsys)), name
