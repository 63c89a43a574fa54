"""The config files: each loads, validates and stays a diff of base.py, in full and with `runlocal`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from configs import base
from configs.common import parse_arg
from configs.eval.known_set import KNOWN, RETRIEVAL
from input_pipeline.views.class_names import naming_rule
from vlp import configuration
from vlp.configuration import flatten
from vlp.configuration.entries import OPEN_GROUPS
from vlp.evaluation.texts.prompt_sets import load_prompt_set

ROOT = Path(__file__).resolve().parents[2]
RUNNABLE = sorted(
    file.stem
    for file in (ROOT / "configs").glob("*.py")
    if file.stem not in ("__init__", "base", "common", "evaluators")
)


# What a recipe needs and does not come with the project, and what is said of it.
MISSING = {
    ("siglip", ""): r"no file 'data/tokenizers/siglip/spiece.model'.* give it the spiece.model of a SigLIP",
    ("siglip2", ""): r"no file 'data/tokenizers/siglip/spiece.model'.* give it the spiece.model of a SigLIP",
    ("naflex", ""): r"no file 'data/tokenizers/siglip/spiece.model'.* give it the spiece.model of a SigLIP",
    ("jest", ""): r"no file 'data/tokenizers/siglip/spiece.model'.* give it the spiece.model of a SigLIP",
}


@pytest.mark.parametrize("argument", ["", ":runlocal"])
@pytest.mark.parametrize("name", RUNNABLE)
def test_every_config_file_loads_and_validates(name: str, argument: str) -> None:
    config = configuration.resolve(configuration.load_config(f"configs/{name}.py{argument}"))
    assert any(item.final for item in config.evaluators.values())
    if (name, argument) in MISSING:
        with pytest.raises(configuration.ConfigError, match=MISSING[name, argument]):
            configuration.validate(config)
        config.tokenizer.update(kind="sentencepiece", path="data/quickstart/tokenizer.model")
    configuration.validate(config)
    configuration.validate_devices(config, device_count=1)
    assert_has_every_setting(config)


@pytest.mark.parametrize("name", sorted(file.stem for file in (ROOT / "configs/eval").glob("[!_]*.py")))
def test_every_evaluation_loads_and_switches_on_what_it_names(name: str) -> None:
    config = configuration.resolve(configuration.load_config(f"configs/eval/{name}.py"))
    configuration.validate(config, needs=())
    assert any(item.final for item in config.evaluators.values())
    assert_has_every_setting(config)


def assert_has_every_setting(config: ConfigDict) -> None:
    """Of base.py, but for names that are the user's own."""
    missing = set(flatten(base.get_config())) - set(flatten(config))
    assert not {path for path in missing if not path.startswith(OPEN_GROUPS[2:])}


def test_known_sets_have_prompts_and_names() -> None:
    for name, (path, templates, labels) in KNOWN.items():
        config = configuration.load_config(f"configs/eval/known_set.py:{name}")
        assert config.data.evaluation[name].to_dict() == {"format": "tfds", "path": path}
        assert config.evaluators.zero_shot.sets == (name,)
        assert load_prompt_set(templates) and naming_rule(labels)
    given = configuration.load_config("configs/eval/known_set.py:pets,format=folder,path=/data/pets")
    assert given.data.evaluation.pets.path == "/data/pets" and given.evaluators.zero_shot.templates == "pets"
    sun = configuration.load_config("configs/eval/known_set.py:sun397,format=folder,path=/data/sun")
    assert sun.data.evaluation.sun397.columns.label == "folders"
    coco = configuration.load_config("configs/eval/known_set.py:coco_karpathy,path=/data/coco,split=val")
    assert coco.data.evaluation.coco_karpathy.path == "coco_karpathy:val=/data/coco"
    assert coco.evaluators.retrieval.folds == 5 and not coco.evaluators.zero_shot.final
    for name in RETRIEVAL:
        config = configuration.resolve(configuration.load_config(f"configs/eval/known_set.py:{name}"))
        configuration.validate(config, needs=("evaluation",))
        assert config.evaluators.retrieval.final != config.evaluators.image_retrieval.final


def test_several_known_sets_have_their_own_prompts_in_one_run() -> None:
    spec = "configs/eval/known_set.py:pets,imagenet,coco_karpathy,path=/data"
    config = configuration.resolve(configuration.load_config(spec))
    configuration.validate(config, needs=())
    run = {name: item for name, item in config.evaluators.items() if item.final}
    assert {name: item.kind for name, item in run.items()} == {
        "zero_shot_pets": "zero_shot",
        "zero_shot_imagenet": "zero_shot",
        "retrieval_coco_karpathy": "retrieval",
    }
    assert run["zero_shot_pets"].templates == "pets" and run["zero_shot_imagenet"].templates == "openai_80"
    assert config.data.evaluation.pets.path == "/data/pets"


@pytest.mark.parametrize("name", RUNNABLE)
def test_runlocal_is_much_smaller(name: str) -> None:
    full = configuration.load_config(f"configs/{name}.py")
    small = configuration.load_config(f"configs/{name}.py:runlocal")
    assert small.steps * small.batch_size <= full.steps * full.batch_size / 10


@pytest.mark.parametrize(
    ("argument", "size", "patch_size", "text_width"),
    [
        ("vit_s16", "S", 16, 384),
        ("vit_b32", "B", 32, 512),
        ("vit_l14", "L", 14, 768),
        ("vit_so400m14", "So400m", 14, 1024),
    ],
)
def test_clip_models(argument: str, size: str, patch_size: int, text_width: int) -> None:
    config = configuration.load_config(f"configs/clip.py:model={argument},resolution=224")
    assert (config.model.image.size, config.model.image.patch_size) == (size, patch_size)
    assert config.model.text.width == text_width
    configuration.validate(configuration.resolve(config))


def test_clip_is_the_published_recipe() -> None:
    config = configuration.load_config("configs/clip.py")
    optimizer = config.optimizer
    assert (config.batch_size, config.tokenizer.length) == (32_768, 77)
    assert (optimizer.learning_rate, optimizer.b1, optimizer.b2, optimizer.weight_decay) == (
        5e-4,
        0.9,
        0.98,
        0.2,
    )
    assert (optimizer.schedule.name, optimizer.schedule.warmup_steps) == ("cosine", 2000)


def test_base_switches_everything_off_and_knows_no_none() -> None:
    config = base.get_config()
    assert all(objective.weight == 0.0 for objective in config.objectives.values())
    assert all(item.every == 0 and not item.final for item in config.evaluators.values())
    assert not [path for path, value in flatten(config).items() if value is None or isinstance(value, list)]


def test_arguments_have_the_type_of_their_defaults() -> None:
    arg = parse_arg("size=s, steps=3,rate=2,fast", size="b", steps=1, rate=0.5, fast=False, slow=True)
    assert arg.to_dict() == {"size": "s", "steps": 3, "rate": 2.0, "fast": True, "slow": True}
    assert type(arg.rate) is float
    assert parse_arg("slow=False", slow=True).slow is False
    assert parse_arg("", size="b").size == "b"
    assert [parse_arg(one, held=("image", "text")).held for one in ("", "held=text")] == ["image", "text"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("sise=s", "'sise' is unknown: did you mean 'size'"),
        ("size=/a,zzz", r"is unknown: if it belongs to .size=/a., .* backslash: size=/a\\,zzz\. This config"),
        ("zzz", "'zzz' is unknown: This config file takes size, steps, fast, held"),
        ("fast=1", "'fast' takes a bool"),
        ("steps=1e2", "'steps' takes a int"),
        ("steps", "'steps' takes a int such as steps=1, not no value"),
        ("steps=1,steps=2", "'steps' is given twice"),
        ("held=both", "held=both is not one of image, text"),
        ("held", "held=None is not one of image, text"),
    ],
)
def test_arguments_that_are_refused(argument: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_arg(argument, size="b", steps=1, fast=False, held=("image", "text"))


def test_a_config_file_without_arguments_says_so() -> None:
    with pytest.raises(configuration.ConfigError, match="takes no argument"):
        configuration.load_config("configs/base.py:runlocal")


def test_a_colon_parts_a_file_from_what_it_takes_only_behind_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    (folder / "mine.py").write_text("from configs.quickstart import get_config\n", encoding="utf-8")
    assert configuration.load_config(f"{folder}/mine.py").name == "quickstart"
    assert configuration.load_config(f"{folder}/mine.py:runlocal").steps == 60


def test_what_lies_on_the_web_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp.configuration.files.find", lambda path: pytest.fail(f"{path} was looked for"))
    with pytest.raises(configuration.ConfigError, match=r"clip.py\?\*\*\* is an address: a config is a file"):
        configuration.load_config("https://host/clip.py?key=secret")


def test_the_folder_of_a_run_stands_for_its_config(tmp_path: Path) -> None:
    config = configuration.resolve(configuration.load_config("configs/quickstart.py"))
    config.steps = 7
    text = json.dumps(configuration.to_dict(config))
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    assert configuration.load_config(str(tmp_path)).steps == 7


def test_a_value_may_have_commas_behind_backslashes() -> None:
    given = configuration.load_config(r"configs/eval/known_set.py:pets,path=/data/a\,b,format=folder")
    assert given.data.evaluation.pets.to_dict() == {"format": "folder", "path": "/data/a,b"}


def test_a_value_error_of_a_config_speaks_for_itself_and_another_says_where(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def get_config():\n    raise ValueError('no such size')\n")
    with pytest.raises(configuration.ConfigError, match=r"mine.py: no such size$"):
        configuration.load_config(str(file))
    file.write_text("def get_config():\n    raise OSError('no such size')\n")
    with pytest.raises(configuration.ConfigError, match=r"mine.py: OSError in line 2: no such size$"):
        configuration.load_config(str(file))


def test_an_entry_added_to_a_locked_config_is_told_how(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    text = "from configs import quickstart\n\ndef get_config():\n    config = quickstart.get_config('runlocal')\n"
    added = "config.data.sources.mine = {'path': '/data/mine'}\n"
    file.write_text(f"{text}    {added}    return config\n")
    with pytest.raises(
        configuration.ConfigError, match=r'line 5: Key "mine" .* `with config.unlocked\(\):`$'
    ):
        configuration.load_config(str(file))
    file.write_text(f"{text}    with config.unlocked():\n        {added}    return config\n")
    assert configuration.load_config(str(file)).data.sources.mine.path == "/data/mine"
