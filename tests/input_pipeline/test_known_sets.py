"""Known data sets in miniature, laid out as they are when one has downloaded them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from input_pipeline.decode import decode_image
from input_pipeline.errors import UserError
from input_pipeline.evaluation_set import load_evaluation_set
from input_pipeline.known import KNOWN
from input_pipeline.records import BadRecord, Region
from input_pipeline.sources import open_source


def known(path: str) -> Any:
    source = open_source({"format": "known", "path": path, "columns": {}})
    assert len(pickle.loads(pickle.dumps(source))) == len(source)
    return source


def picture(path: Path, colour: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (colour, 0, 0)).save(path)


def karpathy(name: str, folder: Path, where: str) -> None:
    images: list[dict[str, Any]] = []
    for number, split in enumerate(("train", "test", "val", "test")):
        path = {"filepath": "val2014"} if name == "coco" else {}
        texts = [f" Sentence {number}.{place} " for place in range(6 if number == 1 else 5)]
        image = {"filename": f"{number}.jpg", "split": split, "sentences": [{"raw": text} for text in texts]}
        images.append({**image, **path})
        picture(folder / where / path.get("filepath", "") / f"{number}.jpg", number)
    (folder / f"dataset_{name}.json").write_text(json.dumps({"images": images, "dataset": name}))


@pytest.mark.parametrize(
    ("name", "where"),
    [("coco", ""), ("coco", "images"), ("flickr30k", "flickr30k-images"), ("flickr30k", "")],
)
def test_karpathys_splits(name: str, where: str, tmp_path: Path) -> None:
    karpathy(name, tmp_path, where)
    source = known(f"{name}_karpathy={tmp_path}")
    assert [source[i].id for i in range(len(source))] == ["1.jpg", "3.jpg"]
    assert [caption.text for caption in source[0].captions] == [f"Sentence 1.{place}" for place in range(5)]
    assert decode_image(source[1].image)[0, 0, 0] in range(6)
    assert known(f"{name}_karpathy:val={tmp_path}")[0].id == "2.jpg"


def test_gpr1200_has_its_categories_in_the_names(tmp_path: Path) -> None:
    for name in ("10_a.jpg", "2_b.jpg", "2_a.jpg"):
        picture(tmp_path / "images" / name)
    source = known(f"gpr1200={tmp_path}")
    assert [(source[i].id, source[i].label) for i in range(3)] == [
        ("2_a.jpg", "2"),
        ("2_b.jpg", "2"),
        ("10_a.jpg", "10"),
    ]


def test_xm3600_speaks_many_languages(tmp_path: Path) -> None:
    rows = [
        {
            "image/key": key,
            "image/locale": "de",
            "de": {"caption": ["Eine Katze", "Noch eine"], "caption/tokenized": []},
            "en": {"caption": [f"A cat {key}"]},
        }
        for key in ("k1", "k2")
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for key in ("k1", "k2"):
        picture(tmp_path / "images" / f"{key}.jpg")
    source = known(f"xm3600={tmp_path}")
    assert [(caption.language, caption.text) for caption in source[1].captions] == [
        ("de", "Eine Katze"),
        ("de", "Noch eine"),
        ("en", "A cat k2"),
    ]


@pytest.mark.parametrize(
    ("name", "folder", "labels", "names"),
    [
        ("cifar10", "cifar-10-batches-bin", 1, "batches.meta.txt"),
        ("cifar100", "cifar-100-binary", 2, "fine_label_names.txt"),
    ],
)
def test_cifars_binary_version(name: str, folder: str, labels: int, names: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (3, labels + 3072), np.uint8)
    rows[:, :labels], rows[:, labels - 1] = 7, [0, 1, 1]
    (tmp_path / folder).mkdir()
    rows.tofile(tmp_path / folder / ("test_batch.bin" if labels == 1 else "test.bin"))
    (tmp_path / folder / names).write_text("airplane\nsweet_pepper\n\n")
    source = known(f"{name}={tmp_path}")
    assert [source[i].label for i in range(3)] == ["airplane", "sweet pepper", "sweet pepper"]
    expected = rows[2, labels:].reshape(3, 32, 32).transpose(1, 2, 0)
    np.testing.assert_array_equal(decode_image(source[2].image), expected)


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_not_there_is_named_with_where_to_get_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"'{name}' .* looked for .*{tmp_path}.*Get it from") as raised:
        known(f"{name}={tmp_path}")
    assert "http" in str(raised.value)


def test_names_and_splits_that_are_not_known(tmp_path: Path) -> None:
    for path, message in {
        f"cifar01={tmp_path}": "did you mean 'cifar1",
        "cifar10": r"NAME\[:SPLIT\]=FOLDER",
        f"coco_karpathy:dev={tmp_path}": "has the splits test, val, train, restval",
    }.items():
        with pytest.raises(ValueError, match=message):
            known(path)
    with pytest.raises(ValueError, match="columns are known"):
        open_source({"format": "known", "path": f"cifar10={tmp_path}", "columns": {"label": "x"}})


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        (DEEP, "is no JSON: maximum recursion"),
        ("[]", "must have 'images', a list: it has list"),
        ('{"images": 3}', "must have 'images', a list: it has 3 there"),
        ('{"images": [7]}', r", images\[0\] must have 'split', a str: it has int"),
        (
            '{"images": [{"split": "test"}]}',
            r", images\[0\] must have 'sentences', a list: it has None there",
        ),
        (
            '{"images": [{"split": "test", "filename": "a", "sentences": [{"raw": 5}]}]}',
            r", images\[0\].sentences\[0\] must have 'raw', a str: it has 5 there",
        ),
        ('{"images": [{"split": "test", "sentences": []}]}', r", images\[0\] must have 'filename', a str"),
    ],
)
def test_what_is_wrong_with_karpathys_file_is_said_with_its_place(
    content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "dataset_coco.json").write_text(content)
    with pytest.raises(ValueError, match=f"dataset_coco.json.*{message}"):
        known(f"coco_karpathy={tmp_path}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2, is no JSON"),
        ("[1]", "line 2 must have 'image/key', a str: it has list"),
        (
            '{"image/key": "a", "de": {"caption": 1}}',
            "line 2, de must have 'caption', a list: it has 1 there",
        ),
        ('{"image/key": "a", "de": {"caption": [1]}}', "line 2, de: 'caption' must hold texts"),
    ],
)
def test_what_is_wrong_with_xm3600_s_captions_is_said_with_its_line(
    line: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "captions.jsonl").write_text(f'{{"image/key": "b"}}\n{line}\n')
    with pytest.raises(ValueError, match=f"captions.jsonl, {message}"):
        known(f"xm3600={tmp_path}")


def test_an_empty_description_is_no_caption(tmp_path: Path) -> None:
    entries = [
        {"split": "test", "image_file": name, "description": text} for name, text in (("a", " "), ("b", "c"))
    ]
    (tmp_path / "docci_descriptions.jsonlines").write_text("\n".join(map(json.dumps, entries)))
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / "a")
    (tmp_path / "images" / "b").write_bytes(b"x")
    source = known(f"docci={tmp_path}")
    assert [len(source[place].captions) for place in range(2)] == [0, 1]


OTHERS = [
    ("sharegpt4v", "share-captioner_a.json", b"5", "must be a list: it has int"),
    (
        "sharegpt4v",
        "share-captioner_a.json",
        b'[{"image": "a.jpg", "conversations": [7]}]',
        "entry 0 must have 'from', a str: it has int",
    ),
    ("aro", "visual_genome_relation.json", b"null", "must be a list: it has NoneType"),
    ("aro", "visual_genome_relation.json", b"[3]", "entry 0 must have 'image_path', a str: it has int"),
    ("docci", "docci_descriptions.jsonlines", b"\xff\xfe", "cannot be read as a text in UTF-8"),
    (
        "docci",
        "docci_descriptions.jsonlines",
        json.dumps({"split": "test", "image_file": "a" * 3000, "description": "b"}).encode(),
        "looked for the first image at",
    ),
    ("xtd10", "test_image_names.txt", b"\xff", "cannot be read as a text in UTF-8"),
    ("xtd10", "test_image_names.txt", b"\n", "looked for names of images in"),
    ("winogavil", "winogavil_dataset.csv", b"\xff", "cannot be read as a text in UTF-8"),
    (
        "winogavil",
        "winogavil_dataset.csv",
        b"cue,candidates,associations\na," + b"[" * 5000 + b",b\n",
        "row 1 needs cue, candidates and associations",
    ),
    ("open_images_boxes", "x-annotations.csv", b"a\n", "looked for .*validation-annotations-bbox.csv"),
    ("open_images_boxes", "validation-annotations-bbox.csv", b"", "is of another form"),
]


@pytest.mark.parametrize(("name", "file", "content", "message"), OTHERS)
def test_what_is_wrong_with_other_files_is_said(
    name: str, file: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "test_1kcaptions_en.txt").write_text("a cat\n")
    (tmp_path / "class-descriptions-boxable.csv").write_text("/m/1,Cat\n")
    (tmp_path / "images").mkdir()
    (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=message):
        known(f"{name}={tmp_path}")


def test_cifars_files_are_named_where_they_are_cut_off_or_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "batches.meta.txt").write_text("airplane\n")
    (tmp_path / "test_batch.bin").write_bytes(bytes(3000))
    with pytest.raises(ValueError, match=r"test_batch\.bin has 3,000 bytes, no multiple of an image's 3,073"):
        known(f"cifar10={tmp_path}")
    (tmp_path / "test_batch.bin").write_bytes(b"\x01" * 3073)
    with pytest.raises(ValueError, match=r"batches\.meta\.txt has 1 class names, and an image is of class 1"):
        known(f"cifar10={tmp_path}")
    with pytest.raises(ValueError, match=r"^(?!.*did you mean)"):
        known("cifar10")


def test_long_captions_are_read_as_they_are_published(tmp_path: Path) -> None:
    said = "A long description. " * 20
    for name in ("docci/images/a.jpg", "urban/image/1.jpg", "share/sam/images/s.jpg"):
        picture(tmp_path / name)
    lines = [{"image_file": f"{one}.jpg", "split": one, "description": said} for one in ("train", "test")]
    lines[1]["image_file"] = "a.jpg"
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "docci/docci_descriptions.jsonlines").write_text(text)
    (tmp_path / "urban/caption").mkdir()
    (tmp_path / "urban/caption/1.txt").write_text(said)
    talk = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": said}]
    entry = {"image": "sam/images/s.jpg", "conversations": talk}
    (tmp_path / "share/share-captioner_x.json").write_text(json.dumps([entry]))
    for path, name in (("docci=docci", "a.jpg"), ("urban1k=urban", "1.jpg"), ("sharegpt4v=share", "s.jpg")):
        known_name, _, folder = path.partition("=")
        source = known(f"{known_name}={tmp_path / folder}")
        assert (len(source), source[0].id, source[0].captions[0].text) == (1, name, said.strip())
        assert decode_image(source[0].image).shape == (6, 8, 3)
        with pytest.raises(ValueError, match=f"'{known_name}'.* is not in .*: looked for"):
            known(f"{known_name}={tmp_path}")


def test_captions_of_many_languages_have_a_line_for_each_image(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / "images" / name)
    (tmp_path / "test_image_names.txt").write_text("a.jpg\nb.jpg\n")
    for language in ("en", "ko"):
        (tmp_path / f"test_1kcaptions_{language}.txt").write_text(f"{language} one\n{language} two\n")
    source = known(f"xtd10={tmp_path}")
    assert [(one.text, one.language) for one in source[1].captions] == [("en two", "en"), ("ko two", "ko")]
    (tmp_path / "filenames.txt").write_text("a.jpg\n")
    with pytest.raises(ValueError, match="has 2 lines for 1 images"):
        known(f"flickr30k_200={tmp_path}")


def test_aros_regions_are_cut_out(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "1.jpg", 200)
    box = {"bbox_x": 2, "bbox_y": 1, "bbox_w": 3, "bbox_h": 4}
    entries = [{"image_path": "1.jpg", **box}, {"image_path": "1.jpg", **box, "bbox_x": 50}]
    (tmp_path / "visual_genome_relation.json").write_text(json.dumps([*entries, entries[0]]))
    source = known(f"aro={tmp_path}")
    assert (len(source), source[0].id) == (2, "1.jpg@2,1,3,4")
    assert decode_image(source[0].image).shape == (4, 3, 3)
    with pytest.raises(BadRecord, match="lies outside its image"):
        source[1]


def numbered(path: Path, numbers: list[list[int]]) -> None:
    """A picture of class numbers, by a palette as PASCAL's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(numbers, np.uint8), "P")
    image.putpalette([value for colour in range(256) for value in (colour, 0, 255 - colour)])
    image.save(path)


@pytest.mark.parametrize(
    ("name", "listed", "masks", "classes"),
    [
        ("voc", "Segmentation", "SegmentationClass", 20),
        ("pascal_context", "SegmentationContext", "SegmentationClassContext", 59),
    ],
)
def test_pascals_masks(name: str, listed: str, masks: str, classes: int, tmp_path: Path) -> None:
    picture(tmp_path / "JPEGImages" / "one.jpg")
    numbered(tmp_path / masks / "one.png", [[0, 1, 1, 2]] * 3 + [[255, 255, 0, 0]] * 3)
    (tmp_path / "ImageSets" / listed).mkdir(parents=True)
    (tmp_path / "ImageSets" / listed / "val.txt").write_text("one\n")
    entry = {"format": "known", "path": f"{name}={tmp_path}", "columns": {}}
    assert len(known(f"{name}={tmp_path}").classes) == classes
    data = load_evaluation_set(entry, {"resolution": 4, "resize": "squash"})
    assert data.masks is not None and len(data.classes) == classes and data.ids == ("one",)
    expected = [[0, 1, 1, 2]] * 2 + [[255, 255, 0, 0]] * 2
    np.testing.assert_array_equal(data.masks[0], expected)
    (tmp_path / masks / "one.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="no usable record"):
        load_evaluation_set(entry, {"resolution": 4, "resize": "squash"})


def test_ade20ks_masks_and_names(tmp_path: Path) -> None:
    for number in range(2):
        picture(tmp_path / "images" / "validation" / f"ADE_val_{number}.jpg")
        numbered(tmp_path / "annotations" / "validation" / f"ADE_val_{number}.png", [[number, 2]])
    head = "Idx\tRatio\tTrain\tVal\tStuff\tName\n"
    rows = "1\t0.15\t1\t1\t1\twall\n2\t0.1\t1\t1\t1\tbuilding, edifice\n"
    (tmp_path / "objectInfo150.txt").write_text(head + rows)
    source = known(f"ade20k={tmp_path}")
    assert source.classes == ("wall", "building") and [*source.ids()] == ["ADE_val_0", "ADE_val_1"]
    assert source[1].mask is not None and source[1].regions == ()


def test_boxes_of_voc_and_open_images(tmp_path: Path) -> None:
    picture(tmp_path / "JPEGImages" / "one.jpg")
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("one  1\n")
    box = "<bndbox><xmin>1</xmin><ymin>4</ymin><xmax>4</xmax><ymax>6</ymax></bndbox>"
    objects = "".join(
        f"<object><name>{name}</name><difficult>{hard}</difficult>{box}</object>"
        for name, hard in (("dog", 0), ("cat", 1))
    )
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "one.xml").write_text(f"<annotation>{objects}</annotation>")
    source = known(f"voc_boxes={tmp_path}")
    assert source[0].regions == (Region((0.0, 0.5, 0.5, 1.0), "dog", "dog"),) and source[0].tags == ("dog",)
    (tmp_path / "Annotations" / "one.xml").write_text("<annotation>")
    with pytest.raises(BadRecord):
        source[0]

    picture(tmp_path / "validation" / "abc.jpg")
    (tmp_path / "oidv7-class-descriptions-boxable.csv").write_text("/m/1,Dog\n/m/2,Cat\n")
    table = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\n"
    table += "abc,xclick,/m/1,1,0.25,0.5,0,1,0\nabc,xclick,/m/2,1,0,1,0,1,1\n"
    table += "abc,xclick,/m/2,1,1.1,1.5,0,1,0\n"  # beside the picture
    (tmp_path / "validation-annotations-bbox.csv").write_text(table)
    source = known(f"open_images_boxes={tmp_path}")
    assert [*source.ids()] == ["abc"]
    assert source[0].regions == (Region((0.25, 0.0, 0.5, 1.0), "Dog", "Dog"),)
