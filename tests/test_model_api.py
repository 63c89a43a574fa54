"""`vlp.load` and the model it gives: every kind of input, any batch size, few compilations."""

from __future__ import annotations

import functools
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from flax import nnx
from PIL import Image
from saved_models import saved_model

import vlp
from input_pipeline.evaluation_set import load_evaluation_set
from vlp.checkpoint.manifest import vouched, write_manifest
from vlp.parallel.mesh import data_mesh


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An untrained quickstart model, saved by the checkpointer."""
    return saved_model(tmp_path_factory.mktemp("run"), prefix_tokens=("caption", "label"))


@pytest.fixture(scope="module")
def model(checkpoint):
    """The same, loaded as users do."""
    return vlp.load(checkpoint)


@pytest.fixture(scope="module")
def encoded(quickstart):
    return pq.read_table(quickstart / "val.parquet", columns=["image"])["image"].to_pylist()[:11]


def test_every_kind_of_image_gives_the_same_rows(model, encoded, tmp_path):
    expected = model.encode_image(encoded)
    assert expected.shape == (11, model.config.model.embed_dim) and expected.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
    pictures = [Image.open(io.BytesIO(data)) for data in encoded]
    arrays = [np.asarray(picture.convert("RGB")) for picture in pictures]
    paths = [tmp_path / f"{number}.img" for number in range(len(encoded))]
    for path, data in zip(paths, encoded, strict=True):
        path.write_bytes(data)
    for images in (pictures, arrays, paths, [str(path) for path in paths]):
        np.testing.assert_allclose(model.encode_image(images), expected, atol=1e-6)
    np.testing.assert_allclose(model.encode_image(pictures[0]), expected[:1], atol=1e-6)


def test_pixels_have_the_gradients_of_differences(model, encoded):
    images = model._view.load(encoded[:3])
    path, pixels = model.pixels(), images.astype(np.float32) / 255
    np.testing.assert_allclose(path.encode(pixels), model.encode_image(encoded[:3]), atol=1e-5)
    dice = np.random.default_rng(0)
    directions = dice.standard_normal((3, model.config.model.embed_dim))
    slopes = path.gradients(pixels, directions)
    step = 0.02 * dice.standard_normal(pixels.shape).astype(np.float32)
    there, back = ((path.encode(pixels + way * step) * directions).sum(axis=1) for way in (1, -1))
    np.testing.assert_allclose((slopes * step).sum(axis=(1, 2, 3)), (there - back) / 2, rtol=0.05, atol=1e-3)


def test_a_patch_has_a_unit_row_at_any_resolution(model, encoded):
    patches = model.encode_patches(encoded[:3])
    assert patches.shape == (3, 8, 8, model.config.model.embed_dim)
    np.testing.assert_allclose(np.linalg.norm(patches, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(model.encode_patches(encoded[2]), patches[2:], atol=1e-5)
    larger = np.zeros((2, 128, 128, 3), np.uint8)
    assert model.encode_patch_array(larger).shape == (2, 16, 16, model.config.model.embed_dim)
    assert model.encode_patch_array(larger[:0]).shape == (0, 0, 0, model.config.model.embed_dim)


def test_a_set_too_large_to_hold_is_decoded_while_it_is_encoded(model, quickstart):
    config = {"format": "parquet", "path": str(quickstart / "val.parquet")}
    held, large = (load_evaluation_set(config, model.preprocessing, held_bytes=size) for size in (1 << 30, 0))
    assert not isinstance(large.images, np.ndarray)
    expected = model.encode_image_array(held.images)
    np.testing.assert_array_equal(model.encode_image_array(large.images), expected)


def test_normalised_pixels_are_taken_as_they_are(model, encoded):
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in encoded]
    square = [np.asarray(p) for p in pictures if p.size == (64, 64)]
    pixels = (np.stack(square) / 255.0 - 0.5) / 0.5
    np.testing.assert_allclose(model.encode_pixels(pixels), model.encode_image(square), atol=1e-5)


def test_any_number_of_rows_compiles_only_padded_shapes(model):
    texts = [f"number {index}" for index in range(300)]
    rows = model.encode_text(texts)
    with jax.log_compiles():
        encode = model._encoders["text"]
        before = encode._cache_size()
        for count in (300, 299, 270, 44, 33, 2, 1):
            np.testing.assert_allclose(model.encode_text(texts[:count]), rows[:count], atol=1e-5)
        # 256, 64, 32 and 16 from the ends of long inputs, and 2 and 1.
        assert encode._cache_size() - before <= 6
        after = encode._cache_size()
        model.encode_text(texts[:299])
        assert encode._cache_size() == after
    assert model.encode_text([]).shape == (0, model.config.model.embed_dim)
    np.testing.assert_allclose(model.encode_text("number 7"), rows[7:8], atol=1e-5)


def test_a_text_may_have_a_prefix_token(model):
    rows = [model.encode_text(["a cat"], prefix=prefix) for prefix in ("", "caption", "label")]
    assert np.abs(np.diff(rows, axis=0)).max((1, 2)).min() > 1e-4
    np.testing.assert_array_equal(rows[0], model.encode_text("a cat"))
    with pytest.raises(ValueError, match="no prefix token 'tag'"):
        model.encode_text("a cat", prefix="tag")


def test_zero_shot_gives_the_softmax_over_class_means(model, encoded):
    names, templates = ["cat", "dog", "car"], ("a {}", "an icon of a {}")
    probabilities = model.zero_shot(encoded, names, templates=templates)
    classes = []
    for name in names:
        mean = model.encode_text([template.format(name) for template in templates]).mean(axis=0)
        classes.append(mean / np.linalg.norm(mean))
    logits = model.logit_scale * model.encode_image(encoded) @ np.stack(classes).T
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-4)


def test_other_weights_need_no_new_compilation(model, encoded):
    model.encode_image(encoded)
    before = model._encoders["image"]._cache_size()
    doubled = model.with_variables(jax.tree.map(lambda leaf: leaf * 2, model._variables))
    assert not np.allclose(doubled.encode_image(encoded), model.encode_image(encoded))
    assert model._encoders["image"]._cache_size() == before


def test_what_cannot_be_loaded_is_explained(tmp_path, model, encoded):
    with pytest.raises(ValueError, match="no checkpoint"):
        vlp.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="image 1 cannot be read"):
        model.encode_image([encoded[0], b"not an image"])
    assert isinstance(model._variables, dict) and not isinstance(model._variables, nnx.State)


def on(model, devices: int, batch_size: int):
    """The same weights on other devices, in other batches; `echo` gives back its inputs, so nothing has to compile."""
    mesh = data_mesh(jax.devices()[:devices])
    clone = model.with_variables(model._variables)
    clone.__dict__.update(_mesh=mesh, _batch_size=batch_size, _encoders={"echo": lambda _, rows: rows})
    return clone


@pytest.mark.parametrize("devices", range(1, 9))
def test_rows_come_back_in_the_order_of_the_inputs(model, devices):
    for batch_size in (1, 2, 3, 5, 7, 8, 12, 100, 256):
        echoing = on(model, devices, batch_size)
        for count in (1, 2, max(1, batch_size - 1), batch_size, batch_size + 1, 3 * batch_size + 2):
            rows = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
            np.testing.assert_array_equal(echoing._encode("echo", rows), rows)


@pytest.mark.parametrize(
    ("count", "batch_size", "devices", "padded"),
    [
        (5, 256, 1, 8),
        (5, 256, 3, 9),
        (100, 100, 1, 100),
        (99, 100, 3, 102),
        (256, 256, 3, 258),
        (1, 256, 8, 8),
    ],
)
def test_few_sizes_are_compiled(model, count, batch_size, devices, padded):
    rows = np.zeros((count, 2), np.float32)
    assert on(model, devices, batch_size).start("echo", rows).shape == (padded, 2)


def test_every_encoder_gives_the_same_rows_in_uneven_batches_on_three_devices(checkpoint, model):
    other = vlp.load(checkpoint, batch_size=5, mesh=data_mesh(jax.devices()[:3]))
    texts = [f"picture number {index}" for index in range(13)]
    images = np.random.default_rng(0).integers(0, 256, (13, 64, 64, 3), np.uint8)
    pixels = images / np.float32(127.5) - 1
    for encode, inputs in (
        ("encode_text", texts),
        ("encode_image_array", images),
        ("encode_patch_array", images),
        ("encode_pixels", pixels),
    ):
        expected = getattr(model, encode)(inputs)
        np.testing.assert_allclose(getattr(other, encode)(inputs), expected, atol=2e-5)


def test_a_string_is_one_class_and_one_template(model, encoded):
    one = model.zero_shot(encoded[:2], ["cat", "dog"], templates=["an icon of a {}"])
    np.testing.assert_array_equal(
        model.zero_shot(encoded[:2], ["cat", "dog"], templates="an icon of a {}"), one
    )
    assert model.zero_shot(encoded[0], "cat").tolist() == [[1.0]]
    braces = model.zero_shot(encoded[0], ["a {b} c", "dog"])  # a name is put in as it is
    assert braces.shape == (1, 2)


@pytest.mark.parametrize(
    ("names", "templates", "message"),
    [
        ("cat", "a cat", "the template 'a cat' has no {} to put a class name into"),
        ([], "a {}", "class_names is empty"),
        ("cat", (), "templates is empty"),
        (["cat", " "], "a {}", r"class_names\[1\] is ' ': give that class a name"),
        ([1], "a {}", r"class_names\[0\] is 1, not a string"),
        (None, "a {}", "class_names is None: give a string or a list of strings"),
    ],
)
def test_classes_that_are_none_are_refused(model, encoded, names, templates, message):
    with pytest.raises(ValueError, match=message):
        model.zero_shot(encoded[0], names, templates)


@pytest.mark.parametrize("texts", [[1], [["a", "b"]], 7, None, b"bytes", [b"bytes"], ["a", None]])
def test_texts_that_are_none_are_refused_in_one_sentence(model, texts):
    with pytest.raises(ValueError, match=r"^texts(\[\d\])? is .*: give a (string or a )?list of strings$"):
        model.encode_text(texts)


def test_open_files_and_iterators_are_images_too(model, encoded, tmp_path):
    expected = model.encode_image(encoded[:2])
    (tmp_path / "0.img").write_bytes(encoded[0])
    np.testing.assert_allclose(model.encode_image(io.BytesIO(encoded[0])), expected[:1], atol=1e-6)
    np.testing.assert_allclose(model.encode_image(data for data in encoded[:2]), expected, atol=1e-6)
    np.testing.assert_allclose(model.encode_image(map(io.BytesIO, encoded[:2])), expected, atol=1e-6)
    with (tmp_path / "0.img").open("rb") as file:
        np.testing.assert_allclose(model.encode_image([file, memoryview(encoded[1])]), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "image 0 cannot be read: None is no image"),
        (
            ["https://me:pw@host/a.jpg"],
            r"image 0 cannot be read: https://\*\*\*@host/a.jpg is an address: fetch it",
        ),
        ([[1, 2]], r"image 0 cannot be read: \[1, 2\] is no image: give a PIL image"),
        ({"image": 1}, "is no image"),
        ("nowhere.jpg", "image 0 cannot be read: .*No such file"),
        (np.zeros((4, 4, 3)), "float64 array .* is not a uint8 array"),
    ],
)
def test_images_that_are_none_are_refused_in_one_sentence(model, image, message):
    with pytest.raises(ValueError, match=message):
        model.encode_image(image)


def test_a_model_with_a_bias_gives_the_probability_of_each_class_by_itself(model, encoded):
    assert model.logit_bias == 0.0 and not model.has_bias
    biased = model.with_variables({**model._variables, "logit_bias": np.float32(-3.0)})
    biased.encode_image, biased.encode_text = (
        model.encode_image,
        model.encode_text,
    )  # which have no bias to read
    rows = model.encode_text(["a cat", "a dog"])
    logits = model.logit_scale * model.encode_image(encoded) @ rows.T - 3.0
    found = biased.zero_shot(encoded, ["cat", "dog"], "a {}")
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), rtol=1e-4)


def edited(checkpoint, tmp_path, group, setting, value):
    """A copy of a run whose description another hand has changed, with a manifest that vouches for it."""
    workdir = shutil.copytree(checkpoint, tmp_path / "run")
    folder = workdir / "checkpoints" / "1"
    described = json.loads((folder / "description.json").read_text())
    functools.reduce(dict.__getitem__, group.split("."), described)[setting] = value
    (folder / "description.json").write_text(json.dumps(described))
    (folder / "manifest.json").unlink()
    write_manifest(folder, vouched(folder))
    return workdir


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [("width", 192, "is .* there, .*192.* here"), ("depth", 2, " there, "), ("mlp_dim", 1024, "1024")],
)
def test_a_config_of_another_model_than_the_arrays_is_refused(checkpoint, tmp_path, setting, value, words):
    workdir = edited(checkpoint, tmp_path, "config.model.image", setting, value)
    with pytest.raises(ValueError, match=f"are not those of its config's model: .*{words}"):
        vlp.load(workdir)


@pytest.mark.parametrize(
    ("group", "setting", "value", "words"),
    [
        ("config", "model", "x", r"json: model='x' is no group of settings"),
        ("config", "objectives", [], r"json: objectives=\[\] is no group"),
        ("config.objectives", "contrastive", 1, r"json: objectives\.contrastive=1 is no group"),
        ("config.model.image", "width", "x", r"json: model\.image\.width='x' must be a int"),
        ("config.model.image", "pool", "zap", r"json: model\.image\.pool='zap' is not one of"),
        ("config.model", "dtype", "float7", r"json: model\.dtype='float7' is not one of"),
        ("config.model.text", "causal", "yes", r"json: model\.text\.causal='yes' must be a bool"),
        ("preprocessing", "resolution", "x", r"json: preprocessing\.resolution='x' is no side"),
        ("preprocessing", "mean", [0.5], r"json: preprocessing\.mean=\[0\.5\] are no three numbers"),
        ("preprocessing", "mean", None, r"json: preprocessing\.mean=None are no three numbers"),
        ("preprocessing", "std", [0.0, 0.5, 0.5], r"json: preprocessing\.std=.* above 0"),
        ("preprocessing", "std", [float("nan")] * 3, r"json: preprocessing\.std=.* no three numbers"),
        ("tokenizer_spec", "length", "x", "spec says length='x', which has to be a int"),
        ("tokenizer_spec", "special_tokens", 5, "spec says special_tokens=5, which has to be a str"),
        ("tokenizer_spec", "kind", None, "spec says kind=None, which has to be a str"),
    ],
)
def test_a_description_that_another_hand_has_changed_is_refused_by_name(
    checkpoint, tmp_path, group, setting, value, words
):
    with pytest.raises(ValueError, match=words):
        vlp.load(edited(checkpoint, tmp_path, group, setting, value))


def test_what_notebooks_ask_for(model, encoded, tmp_path, capsys):
    texts = ["a dog", "two red apples on a table"]
    rows = model.encode_image(encoded)
    np.testing.assert_allclose(model.similarity(encoded, texts), rows @ model.encode_text(texts).T, atol=1e-6)
    for number, data in enumerate(encoded):
        (tmp_path / "in" / str(number // 6)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / str(number // 6) / f"{number:02d}.png").write_bytes(data)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    np.testing.assert_allclose(model.encode_images(tmp_path / "in", progress=True), rows, atol=1e-5)
    assert "11/11" in capsys.readouterr().err
    np.testing.assert_allclose(model.encode_images(data for data in encoded), rows, atol=1e-5)
    assert model.encode_images(iter(())).shape == (0, rows.shape[1])
    for given, said in (
        (tmp_path / "no", "is no folder with pictures"),
        (["https://a/b.png"], "is an address"),
    ):
        with pytest.raises(ValueError, match=said):
            model.encode_images(given)
    tokens = model.encode_tokens(texts)
    _, mask = model.tokenizer.encode(texts)
    assert [len(own) for own in tokens] == np.asarray(mask).sum(axis=1).tolist()
    np.testing.assert_allclose(np.linalg.norm(np.concatenate(tokens), axis=1), 1, atol=1e-5)


def test_a_model_saves_itself(model, encoded, tmp_path):
    model.save(tmp_path / "saved")
    again = vlp.load(tmp_path / "saved")
    np.testing.assert_array_equal(again.encode_image(encoded), model.encode_image(encoded))
    np.testing.assert_array_equal(again.encode_text(["a dog"]), model.encode_text(["a dog"]))
    with pytest.raises(ValueError, match="holds a checkpoint already"):
        model.save(tmp_path / "saved")


def test_threads_share_a_model(checkpoint, encoded):
    """From the first call on, when nothing is compiled yet."""
    shared = vlp.load(checkpoint)
    asked = [*([encoded[:3]] * 4), *([["a dog"]] * 4)]

    def ask(given):
        return shared.encode_text(given) if isinstance(given[0], str) else shared.encode_image(given)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, asked))
    for rows, given in zip(found, asked, strict=True):
        np.testing.assert_array_equal(rows, ask(given))
