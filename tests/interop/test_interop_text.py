"""Ids of imported and exported tokenizers, one for one with transformers and open_clip."""

from __future__ import annotations

import html
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from input_pipeline.tokenizers import Tokenizer, load_tokenizer, tokenizer_from_bytes
from vlp.interop.text import tokenizer_of
from vlp.interop.tokenizer_files import update_json, write_tokenizer

ROOT = Path(__file__).resolve().parents[2]
CLIP_FILE = ROOT / "data" / "tokenizers" / "clip"
CLIP = {"kind": "clip", "path": str(CLIP_FILE), "length": 77, "vocabulary_size": 0}
PADDED = {"padding": "max_length", "truncation": True, "return_tensors": "np"}


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers", reason="transformers is a peer, not a dependency")


@pytest.fixture(scope="module")
def open_clip() -> Any:
    return pytest.importorskip("open_clip", reason="open_clip is a peer, not a dependency")


def same_ids(ours: Tokenizer, theirs: np.ndarray, captions: list[str]) -> None:
    """Also after the tokenizer has been through a checkpoint."""
    copy = tokenizer_from_bytes(ours.to_bytes(), json.loads(json.dumps(ours.spec)))
    ids, mask = copy.encode(captions)
    different = [text for text, a, b in zip(captions, ids, theirs, strict=True) if not np.array_equal(a, b)]
    assert not different, (len(different), different[0], ids[captions.index(different[0])])
    assert (ids[~mask] == copy.special.pad).all()


def same_when_written(
    ours: Any, kind: str, folder: Path, transformers: Any, captions: list[str], ids: Any
) -> None:
    """What we write is read by transformers as what we read was."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    assert write_tokenizer(ours, folder, f"huggingface_{kind}") == []
    again = transformers.AutoTokenizer.from_pretrained(folder)
    np.testing.assert_array_equal(again(captions, **PADDED)["input_ids"], ids)


def clip_folder(folder: Path, newer: bool, transformers: Any) -> Path:
    """CLIP's tokenizer as Hugging Face keeps it: in two files of old, in tokenizer.json since."""
    tokenizer: Any = load_tokenizer(CLIP)
    vocabulary, merges = tokenizer.vocabulary_and_merges("<|startoftext|>", "<|endoftext|>")
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges), ""]))
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if newer:
        transformers.CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink(missing_ok=True)
    return folder


@pytest.mark.parametrize("newer", [False, True])
def test_clip_of_transformers(newer: bool, captions: list[str], tmp_path: Path, transformers: Any) -> None:
    folder = clip_folder(tmp_path, newer, transformers)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)(captions, **PADDED)["input_ids"]
    ours = tokenizer_of(folder, "huggingface_clip")
    same_ids(ours, theirs, captions)
    back = tmp_path / "back"
    back.mkdir()
    (back / "config.json").write_text(json.dumps({"model_type": "clip"}))
    assert write_tokenizer(ours, back, "huggingface_clip") == []
    again = transformers.AutoTokenizer.from_pretrained(back)
    np.testing.assert_array_equal(again(captions, **PADDED)["input_ids"], theirs)
    same_ids(tokenizer_of(back, "huggingface_clip"), theirs, captions)


@pytest.mark.parametrize("flags", [(False, True), (True, False), (False, False)])
@pytest.mark.parametrize("name", ["CLIPTokenizer", "PreTrainedTokenizerFast"])
def test_what_goes_around_a_text_stands_in_the_template_alone(
    name: str, flags: tuple[bool, bool], tmp_path: Path, transformers: Any
) -> None:
    write_tokenizer(load_tokenizer(CLIP), tmp_path, "huggingface_clip")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    update_json(
        tmp_path / "tokenizer_config.json",
        {"tokenizer_class": name, "add_bos_token": flags[0], "add_eos_token": flags[1]},
    )
    texts = ["a cat", "dog " * 100]
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)(texts, **PADDED)["input_ids"]
    same_ids(tokenizer_of(tmp_path, "huggingface_clip"), theirs, texts)


def siglip_model(captions: list[str], **settings: Any) -> bytes:
    """A small model with the special tokens of c4_en: 0 <pad>, 1 </s>, 2 <unk>, no begin."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text for text in captions if text.strip()),
        model_writer=model,
        vocab_size=1200,
        character_coverage=0.995,
        **{
            "pad_id": 0,
            "eos_id": 1,
            "unk_id": 2,
            "bos_id": -1,
            "num_threads": 1,
            "minloglevel": 2,
            **settings,
        },
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def siglip(captions: list[str]) -> bytes:
    return siglip_model(captions)


def test_siglip_of_transformers(
    siglip: bytes, captions: list[str], tmp_path: Path, transformers: Any
) -> None:
    (tmp_path / "spiece.model").write_bytes(siglip)
    settings = {"tokenizer_class": "SiglipTokenizer", "model_max_length": 64, "pad_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "siglip"}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)(captions, **PADDED)["input_ids"]
    ours = tokenizer_of(tmp_path, "huggingface_siglip")
    assert ours.special == (1, None, 1) and ours.length == 64
    same_ids(ours, theirs, captions)
    same_when_written(ours, "siglip", tmp_path / "back", transformers, captions, theirs)


def gemma(captions: list[str], transformers: Any) -> Any:
    """A small byte-pair model with Gemma's special tokens and fall-back to bytes."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pipeline = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    pipeline.normalizer = normalizers.Replace(" ", "\u2581")
    pipeline.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    trainer = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=special, limit_alphabet=300, show_progress=False
    )
    pipeline.train_from_iterator([text.lower() for text in captions], trainer)
    model = json.loads(pipeline.to_str())["model"]
    return transformers.Siglip2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        add_bos_token=False,
        add_eos_token=True,
        padding_side="right",
        model_max_length=64,
    )


def save_gemma(tokenizer: Any, folder: Path, **settings: Any) -> None:
    """Writes it as the folders of SigLIP 2 have it, with further settings."""
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    own = {"tokenizer_class": "GemmaTokenizer", "model_input_names": ["input_ids"], **settings}
    file.write_text(json.dumps(json.loads(file.read_text()) | own))


@pytest.mark.parametrize("declared", ["Siglip2Tokenizer", "GemmaTokenizer"])
def test_siglip2_of_transformers(
    declared: str, captions: list[str], tmp_path: Path, transformers: Any
) -> None:
    gemma(captions, transformers).save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**settings, "tokenizer_class": declared}))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "siglip2"}))
    peer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    theirs = peer(captions, max_length=64, **PADDED)["input_ids"]
    ours = tokenizer_of(tmp_path, "huggingface_siglip2")
    assert ours.special == (0, None, 1) and ours.length == 64
    same_ids(ours, theirs, captions)
    same_when_written(ours, "siglip2", tmp_path / "back", transformers, captions, theirs)


def open_clip_folder(folder: Path, **text: Any) -> Path:
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"text_cfg": text}}))
    return folder


@pytest.mark.parametrize("clean", ["", "lower", "whitespace", "canonicalize"])
def test_clip_of_open_clip(clean: str, captions: list[str], tmp_path: Path, open_clip: Any) -> None:
    options = {"tokenizer_kwargs": {"clean": clean}} if clean else {}
    folder = open_clip_folder(tmp_path, context_length=77, **options)
    theirs = open_clip.get_tokenizer(f"local-dir:{folder}")(captions).numpy()
    ours = tokenizer_of(folder, "open_clip")
    same_ids(ours, theirs, captions)
    assert write_tokenizer(ours, folder, "open_clip") == []
    same_ids(tokenizer_of(folder, "open_clip"), theirs, captions)
    if not clean:
        same_ids(tokenizer_of(folder, "openai"), theirs, captions)


def test_siglip_of_open_clip(
    siglip: bytes, captions: list[str], tmp_path: Path, transformers: Any, open_clip: Any
) -> None:
    """As open_clip's SigLIP folders are made: a T5 tokenizer of the SentencePiece model, canonical texts."""
    (tmp_path / "sentencepiece.model").write_bytes(siglip)
    model = str(tmp_path / "sentencepiece.model")
    made = transformers.T5Tokenizer.from_pretrained(tmp_path, vocab_file=model, extra_ids=0)
    made.pad_token = "</s>"
    made.save_pretrained(tmp_path)
    (tmp_path / "sentencepiece.model").unlink()
    folder = open_clip_folder(
        tmp_path, context_length=64, hf_tokenizer_name="x", tokenizer_kwargs={"clean": "canonicalize"}
    )
    peer = open_clip.get_tokenizer(f"local-dir:{folder}")
    theirs = peer(captions).numpy()
    ours = tokenizer_of(folder, "open_clip")
    assert ours.special == (1, None, 1)
    same_ids(ours, theirs, captions)
    back = tmp_path / "back"
    back.mkdir()
    write_tokenizer(ours, back, "open_clip")
    np.testing.assert_array_equal(open_clip.get_tokenizer(f"local-dir:{back}")(captions).numpy(), theirs)
    same_ids(tokenizer_of(back, "open_clip"), theirs, captions)


SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


def xlm_roberta(siglip: bytes, transformers: Any) -> Any:
    """XLM-R's class with the pieces of another SentencePiece model behind its own special tokens."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto.FromString(siglip)
    pieces = [(piece.piece, piece.score) for piece in model.pieces if piece.type == piece.NORMAL]
    vocabulary = [*((name, 0.0) for name in SPECIAL), *pieces, ("<mask>", 0.0)]
    return transformers.XLMRobertaTokenizer(
        vocab=vocabulary, _spm_precompiled_charsmap=model.normalizer_spec.precompiled_charsmap
    )


def nllb(siglip: bytes, transformers: Any) -> Any:
    """NLLB's class with a small byte-pair model."""
    from sentencepiece import sentencepiece_model_pb2
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    charsmap = sentencepiece_model_pb2.ModelProto.FromString(siglip).normalizer_spec.precompiled_charsmap
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=[*SPECIAL], show_progress=False)
    trained.train_from_iterator(["a photo of two red foxes in the snow, A Photo!"] * 3, trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    languages = ["eng_Latn", "fra_Latn"]
    return transformers.NllbTokenizer(
        vocab=model["vocab"],
        merges=merges,
        extra_special_tokens=languages,
        _spm_precompiled_charsmap=charsmap,
    )


@pytest.mark.parametrize(("make", "begin"), [(xlm_roberta, "<s>"), (nllb, "eng_Latn")])
def test_towers_of_many_languages_of_open_clip(
    make: Any,
    begin: str,
    siglip: bytes,
    captions: list[str],
    tmp_path: Path,
    transformers: Any,
    open_clip: Any,
) -> None:
    """Their classes say themselves what goes around a text: the template in the file is another."""
    made = make(siglip, transformers)
    made.save_pretrained(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["post_processor"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    folder = open_clip_folder(tmp_path, context_length=20, hf_tokenizer_name="x")
    theirs = open_clip.get_tokenizer(f"local-dir:{folder}")(captions).numpy()
    ours = tokenizer_of(folder, "open_clip")
    assert ours.special == (1, made.convert_tokens_to_ids(begin), 2) and ours.vocabulary_size == len(made)
    assert (theirs[:, 0] == ours.special.begin).all()
    same_ids(ours, theirs, captions)
    for name, value, message in (
        ("legacy_behaviour", True, "legacy_behaviour"),
        ("eos_token", "[X]", "lacks one of"),
    ):
        path = folder / "tokenizer_config.json"
        said = json.loads(path.read_text())
        path.write_text(json.dumps({**said, name: value}))
        with pytest.raises(ValueError, match=message):
            tokenizer_of(folder, "open_clip")
        path.write_text(json.dumps(said))


def test_settings_of_open_clip_that_are_not_supported(tmp_path: Path) -> None:
    for text in ({"tokenizer_kwargs": {"reduction_mask": "random"}}, {"tokenizer_mode": "clips"}):
        with pytest.raises(ValueError, match="not supported"):
            tokenizer_of(open_clip_folder(tmp_path, **text), "open_clip")


def test_ftfy_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(ValueError, match="pip install ftfy"):
        tokenizer_of(open_clip_folder(tmp_path), "open_clip")
    assert load_tokenizer(CLIP).encode(["caf\u00e9"])[0].shape == (1, 77), "our own needs none"


def test_siglip_of_big_vision(siglip: bytes, captions: list[str], tmp_path: Path) -> None:
    """`tokenize(max_len=64, eos="sticky", pad_value=1)`, whose lower case is TensorFlow's: of ASCII letters alone."""
    import sentencepiece

    (tmp_path / "c4_en.model").write_bytes(siglip)
    processor = sentencepiece.SentencePieceProcessor(model_proto=siglip)
    rows = []
    for text in captions:
        lowered = "".join(letter.lower() if letter.isascii() else letter for letter in text)
        tokens = [*processor.encode(lowered), 1]
        rows.append([*tokens[:63], 1] if len(tokens) >= 64 else tokens + [1] * (64 - len(tokens)))
    same_ids(tokenizer_of(tmp_path, "big_vision"), np.array(rows), captions)
    (tmp_path / "c4_en.model").unlink()
    with pytest.raises(ValueError, match=r"sentencepiece\.model"):
        tokenizer_of(tmp_path, "big_vision")


@pytest.fixture
def own(quickstart: Path) -> Tokenizer:
    settings = {"kind": "sentencepiece", "path": str(quickstart / "tokenizer.model"), "length": 20}
    return load_tokenizer({**settings, "vocabulary_size": 0})


def test_our_own_goes_to_transformers(
    own: Tokenizer, captions: list[str], tmp_path: Path, transformers: Any
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    assert write_tokenizer(own, tmp_path, "huggingface_clip") == []
    peer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert (peer.pad_token_id, peer.bos_token_id, peer.eos_token_id) == (0, 2, 3)
    theirs = peer(captions, **PADDED)["input_ids"]
    same_ids(own, theirs, captions)
    same_ids(tokenizer_of(tmp_path, "huggingface_clip"), theirs, captions)


def test_our_own_goes_to_open_clip(
    own: Tokenizer, captions: list[str], tmp_path: Path, open_clip: Any
) -> None:
    ftfy = pytest.importorskip("ftfy")
    notes = write_tokenizer(own, tmp_path, "open_clip")
    assert any("ftfy" in note for note in notes)
    peer = open_clip.get_tokenizer(f"local-dir:{tmp_path}")
    untouched = [text for text in captions if html.unescape(ftfy.fix_text(text)) == text]
    assert len(untouched) > 0.9 * len(captions)
    same_ids(own, peer(untouched).numpy(), untouched)


def test_our_own_clip_goes_to_both(
    captions: list[str], tmp_path: Path, transformers: Any, open_clip: Any
) -> None:
    own: Any = load_tokenizer({**CLIP, "length": 32})
    plain = [text for text in captions if text.isascii() and "&" not in text]
    ids, mask = own.encode(plain)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    assert any("pads" in note for note in write_tokenizer(own, tmp_path, "huggingface_clip"))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)(plain, **PADDED)["input_ids"]
    np.testing.assert_array_equal(np.where(mask, ids, own.special.end), theirs)
    write_tokenizer(own, tmp_path, "open_clip")
    np.testing.assert_array_equal(open_clip.get_tokenizer(f"local-dir:{tmp_path}")(plain).numpy(), ids)


def test_files_that_are_missing_or_unknown_are_named(tmp_path: Path) -> None:
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: tokenizer_of(tmp_path, "flax"), "family 'flax' is not one of huggingface_clip"),
        (lambda: tokenizer_of(tmp_path, "huggingface_clip"), "neither tokenizer.json nor vocab.json"),
        (lambda: tokenizer_of(tmp_path, "huggingface_siglip"), "has no tokenizer.json"),
        (lambda: tokenizer_of(tmp_path, "open_clip"), "has no open_clip_config.json"),
        (lambda: write_tokenizer(load_tokenizer(CLIP), tmp_path, "openai"), "no tokenizer is written for"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
