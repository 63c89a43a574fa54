from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from vlp.evaluation.texts import prompt_sets
from vlp.evaluation.texts.prompt_sets import fill, known_prompt_sets, load_prompt_set

# Version, templates, digest: figures are only comparable over the same texts, so a change is a new version.
PUBLISHED = {
    "caltech101": (1, 34, "90561580b7ea5dba"),
    "cars": (1, 8, "255ecc632c41182c"),
    "cifar": (1, 18, "9bbf912e1144ca4c"),
    "clevr_count_all": (1, 1, "d22723f1ebf29d50"),
    "country211": (1, 5, "038d0d5e084b6ee1"),
    "diabetic_retinopathy": (1, 1, "6873b80434f5ed05"),
    "dsprites_label_x_position": (1, 1, "b4d0482f31d6a38d"),
    "dtd": (1, 8, "1f6888d2130f62a4"),
    "eurosat": (1, 3, "9bc85d9f1798d03b"),
    "fer2013": (1, 6, "ae805dccc6d01c6a"),
    "fgvc_aircraft": (1, 2, "91522de75ad44711"),
    "flowers": (1, 1, "bfcd4bbb214d5015"),
    "food101": (1, 1, "77a79bac7d9cf25b"),
    "gtsrb": (1, 3, "a6794061485dcfa2"),
    "mnist": (1, 1, "c0341e0a1fdfd8fb"),
    "named": (1, 1, "b4ecea9969b835e7"),
    "openai_7": (1, 7, "6ef3883987d224b7"),
    "openai_80": (1, 80, "4f976686fb651bb5"),
    "pcam": (1, 2, "f15b46876205c9db"),
    "pets": (1, 1, "16a0790f0e45e97e"),
    "plain": (1, 1, "44136fa355b3678a"),
    "quickstart": (1, 4, "96476a622f4d406f"),
    "resisc45": (1, 4, "5a87542b5e4d426c"),
    "rotation": (1, 4, "5db50af4199c1ba6"),
    "simple": (1, 4, "763a7662102cc2a5"),
    "stl10": (1, 2, "c97a3d1ad5819800"),
    "sun397": (1, 2, "c97a3d1ad5819800"),
    "svhn": (1, 6, "89f08e8bbeaa6bd5"),
}


@pytest.mark.parametrize("name", known_prompt_sets())
def test_the_files_are_versioned_and_say_where_they_are_from(name: str) -> None:
    content = json.loads((prompt_sets._FOLDER / f"{name}.json").read_text())
    digest = hashlib.sha256("\n".join(content["templates"]).encode()).hexdigest()[:16]
    assert (content["version"], len(content["templates"]), digest) == PUBLISHED[name]
    assert content["source"] and set(content) == {"source", "version", "templates"}


def test_the_ensembles_are_those_of_a_peer() -> None:
    peer = pytest.importorskip("open_clip.zero_shot_metadata", reason="open_clip_torch is not installed")
    for name, theirs in (
        ("openai_80", peer.OPENAI_IMAGENET_TEMPLATES),
        ("openai_7", peer.SIMPLE_IMAGENET_TEMPLATES),
    ):
        assert list(load_prompt_set(name)) == [template("{}") for template in theirs]
    assert set(load_prompt_set("openai_7")) < set(load_prompt_set("openai_80"))


@pytest.mark.parametrize("name", known_prompt_sets())
def test_every_template_has_one_place_for_the_class_name(name: str) -> None:
    templates = load_prompt_set(name)
    assert templates and len(set(templates)) == len(templates)
    assert all(template.count("{}") == 1 for template in templates)


def test_the_named_sets_are_there() -> None:
    assert {"plain", "simple", "openai_7", "openai_80", "quickstart"} <= set(known_prompt_sets())
    assert load_prompt_set("plain") == ("{}",)
    assert len(load_prompt_set("openai_7")) == 7


def test_the_sets_of_known_data_are_those_of_a_peer() -> None:
    peer = pytest.importorskip("clip_benchmark.datasets", reason="clip-benchmark is not installed")
    path = Path(peer.__file__).with_name("en_zeroshot_classification_templates.json")
    theirs = json.loads(path.read_text())
    shared = set(known_prompt_sets()) & set(theirs)
    assert len(shared) == 20
    others = {"cifar": "cifar10", "openai_80": "imagenet1k", "rotation": "smallnorb_label_azimuth"}
    for ours, name in [*((name, name) for name in shared), *others.items()]:
        assert list(load_prompt_set(ours)) == [template.replace("{c}", "{}") for template in theirs[name]]


def test_an_unknown_set_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no prompt set 'openai': take one of .*openai_7, openai_80, pcam"):
        load_prompt_set("openai")


def test_braces_of_a_class_name_stay() -> None:
    assert fill("a {}.", "{0} {x}") == "a {0} {x}."
