from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from input_pipeline.views.class_names import category_name, category_names, naming_rule


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("animals-nature/animal-mammal", "animal mammal, animals nature"),
        ("signs_and_symbols/flags", "flags, signs and symbols"),
        ("furniture/living room", "living room, furniture"),
        ("office", "office"),
        ("/a//b /", "b, a"),
    ],
)
def test_a_category_is_read_from_its_narrowest_part(label: str, name: str) -> None:
    assert category_name(label) == name


def test_one_leaf_under_several_parents_stays_several_classes() -> None:
    names = category_names(["office", "objects/office", "furniture/office"])
    assert names == ["office", "office, objects", "office, furniture"]


def test_categories_that_would_share_a_name_keep_their_label() -> None:
    labels = ["a-b", "a_b", "a b", "b/a", "a, b", "-", "c"]
    assert category_names(labels) == labels
    assert category_names(["a-b", "b/a"]) == ["a b", "a, b"]


def test_an_unknown_rule_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"category, clevr_closest_object_distance, .*, verbatim, or"):
        naming_rule("categories")


def test_imagenet_has_clips_thousand_names_by_id_and_by_number() -> None:
    rule, numbers = naming_rule("imagenet"), [str(number) for number in range(1000)]
    names = rule(numbers)
    assert len(names) == 1000 and len(set(names)) == 998 and all(name == name.strip() for name in names)
    assert {name for name in names if names.count(name) > 1} == {"missile", "sunglasses"}
    assert rule(["n01440764", "n15075141", "n02123045"]) == ["tench", "toilet paper", "tabby cat"]
    assert [names[number] for number in (0, 281, 999)] == ["tench", "tabby cat", "toilet paper"]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    assert digest == "571ae1c583b4be7da87519494c52bf405a46af05d5815627c7a0dee997068b60"
    with pytest.raises(ValueError, match="'n1' is no class of imagenet"):
        rule(["n01440764", "n1"])


def test_names_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text('{"names": {"AnnualCrop": "annual crop land", "Forest": "forest"}}')
    assert naming_rule(str(path))(["Forest", "0"]) == ["forest", "annual crop land"]
    assert naming_rule("eurosat")(["SeaLake"]) == ["lake or sea"]
    assert naming_rule("gtsrb")(["00014", "14"]) == ["stop"] * 2
    assert naming_rule("sun397")(["/a/apartment_building/outdoor"]) == ["apartment building outdoor"]
    with pytest.raises(ValueError, match=r"there are no class names at 'nowhere\.json'"):
        naming_rule("nowhere.json")
    path.write_text('{"names": {"AnnualCrop": "annual crop land", "Forest": " "}}')
    with pytest.raises(ValueError, match="both texts, of which none is empty"):
        naming_rule(str(path))(["Forest"])


def test_numbers_of_a_table_are_not_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "from_one.json"
    path.write_text('{"names": {"1": "pink primrose", "2": "orchid"}}')
    assert naming_rule(str(path))(["1", "2"]) == ["pink primrose", "orchid"]
    with pytest.raises(ValueError, match=r"label '0' is no class of .*from_one\.json"):
        naming_rule(str(path))(["0", "1"])
    path.write_text('{"names": {"01": "pink primrose", "02": "orchid"}}')
    with pytest.raises(ValueError, match="label '0' is no class"):
        naming_rule(str(path))(["0", "1"])


def test_the_names_are_those_of_a_peer() -> None:
    peer = pytest.importorskip("open_clip.zero_shot_metadata", reason="open_clip_torch is not installed")
    assert naming_rule("imagenet")([str(number) for number in range(1000)]) == list(peer.IMAGENET_CLASSNAMES)


def test_the_names_of_known_data_are_those_of_a_peer() -> None:
    peer = pytest.importorskip("clip_benchmark.datasets", reason="clip-benchmark is not installed")
    theirs = json.loads(Path(peer.__file__).with_name("en_classnames.json").read_text())
    # Of the last one a class has no name, so whole prompts stand for them.
    far = "clevr_closest_object_distance"
    theirs[far] = [f"{name} shapes.".strip() for name in theirs[far]]
    structured = ("clevr_count_all", "dmlab", "kitti_closest_vehicle_distance", far)
    for name in ("pcam", "diabetic_retinopathy", "eurosat", "gtsrb", *structured):
        numbers = [str(number) for number in range(len(theirs[name]))]
        assert naming_rule(name)(numbers) == theirs[name]
