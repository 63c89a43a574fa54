"""What a `--config.` flag does to the config: the value arrives with the type of the file's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ml_collections import FrozenConfigDict

from vlp import configuration
from vlp.configuration import ConfigError, flatten

OPTIONS = {
    "config": ("configs/quickstart.py", "config file"),
    "workdir": ("", "folder"),
    "job": ("train", "job"),
}


def parse(*arguments: str) -> configuration.CommandLine:
    return configuration.parse(arguments, OPTIONS)


@pytest.mark.parametrize(
    ("flag", "path", "value"),
    [
        ("--config.steps=1e3", "steps", 1000),
        ("--config.steps=20.0", "steps", 20),
        ("--config.optimizer.learning_rate=1", "optimizer.learning_rate", 1.0),
        ("--config.optimizer.learning_rate=3e-4", "optimizer.learning_rate", 3e-4),
        ("--config.model.text.causal=false", "model.text.causal", False),
        ("--noconfig.model.text.causal", "model.text.causal", False),
        ("--config.data.image.flip", "data.image.flip", True),
        ("--config.name=1e3", "name", "1e3"),
        ("--config.optimizer.learning_rate_rules=.* = 1", "optimizer.learning_rate_rules", ".* = 1"),
        ("--config.evaluators.retrieval.k=1,3", "evaluators.retrieval.k", (1, 3)),
        ("--config.evaluators.retrieval.k=7", "evaluators.retrieval.k", (7,)),
        ("--config.evaluators.zero_shot.sets=val,test", "evaluators.zero_shot.sets", ("val", "test")),
        ("--config.evaluators.zero_shot.sets=('val', 'test')", "evaluators.zero_shot.sets", ("val", "test")),
        ("--config.evaluators.zero_shot.sets=", "evaluators.zero_shot.sets", ()),
        ("--config.data.image.mean=0,0,1", "data.image.mean", (0.0, 0.0, 1.0)),
    ],
)
def test_values_keep_the_type_of_the_config_file(flag: str, path: str, value: Any) -> None:
    found = flatten(parse(flag).config)[path]
    assert found == value
    assert type(found) is type(value)
    if isinstance(value, tuple):
        assert [type(item) for item in found] == [type(item) for item in value]


def test_flags_may_stand_before_the_config_file_and_the_last_one_wins() -> None:
    line = parse(
        "--config.steps=5", "--config=configs/clip.py:runlocal", "--config.steps", "6", "--workdir", "w"
    )
    assert line.config.steps == 6
    assert line.config.name.startswith("clip")
    assert line.options == {"config": "configs/clip.py:runlocal", "workdir": "w", "job": "train"}


def test_the_last_one_of_a_tuple_wins_too() -> None:
    sets = "--config.evaluators.zero_shot.sets"
    for flags in (
        (f"{sets}=val,test", f"{sets}=test"),
        (f"{sets}=val", sets, "test"),
        (sets, "val", f"{sets}=test"),
    ):
        line = parse(*flags, "--config.steps=5")
        assert (line.config.evaluators.zero_shot.sets, line.config.steps) == (("test",), 5)


def test_derived_values_follow_flags_until_set_themselves() -> None:
    resolved = configuration.resolve(parse("--config.steps=70").config)
    assert resolved.optimizer.schedule.warmup_steps == 7
    both = parse("--config.steps=70", "--config.optimizer.schedule.warmup_steps=3").config
    assert configuration.resolve(both).optimizer.schedule.warmup_steps == 3


def test_sources_can_be_replaced_by_a_flag_and_are_completed() -> None:
    line = parse("--config.data.sources={'mine': {'format': 'parquet', 'path': '/data/*.parquet'}}")
    (source,) = configuration.resolve(line.config).data.sources.values()
    left_out = {"weight": 1.0, "columns": {}, "fraction": 1.0, "keep_ids": "", "keep_labels": "", "shots": 0}
    left_out |= {"only": "", "shots_seed": 0, "captions_by_id": "", "regions_by_id": ""}
    left_out |= {"keep_probability": "", "keep_column": "balance_probability"}
    left_out |= {"templates": (), "labels": "", "prefix": "", "prefix_token": "", "image_folder": ""}
    assert source.to_dict() == {"format": "parquet", "path": "/data/*.parquet", **left_out}


def test_a_config_read_from_an_older_checkpoint_is_completed() -> None:
    config = configuration.resolve(parse().config)
    saved = json.loads(json.dumps(configuration.to_dict(config)))
    for name in ("templates", "prefix_token"):
        del saved["data"]["sources"]["quickstart"][name]
    completed = configuration.completed(saved)
    assert completed == configuration.to_dict(config)
    assert FrozenConfigDict(completed).data.sources.quickstart.templates == ()


def test_what_an_entry_leaves_out_is_a_flag_too() -> None:
    line = parse(
        "--config.data.sources.quickstart.prefix_token=web",
        "--config.data.sources.quickstart.templates=('a {}', 'the {}')",
        "--config.data.sources.quickstart.fraction=0.5",
        "--config.data.evaluation.val.columns={'image': 'picture'}",
    )
    data = configuration.resolve(line.config).data
    source = data.sources.quickstart
    assert (source.prefix_token, source.fraction, source.templates) == ("web", 0.5, ("a {}", "the {}"))
    assert source.columns.label == "category" and data.evaluation.val.columns.to_dict() == {
        "image": "picture"
    }


def test_views_of_a_config_file_can_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "views.py"
    file.write_text(
        "from configs import base\n\ndef get_config():\n    config = base.get_config()\n"
        "    config.data.image_views = {'strong': {'count': 2, 'blur': 0.5}}\n    return config\n"
    )
    line = parse(f"--config={file}", "--config.data.image_views={'small': {'count': 4}}")
    assert line.config.data.image_views.to_dict() == {"small": {"count": 4}}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{'weigth': 2.0}", "data.sources.mine.weigth: there is no such key; did you mean 'weight'"),
        ("{'path': 3}", "data.sources.mine.path=3 must be a str"),
    ],
)
def test_a_wrong_source_is_refused(entry: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(f"--config.data.sources={{'mine': {entry}}}")


def test_it_is_known_whether_the_config_was_asked_for() -> None:
    assert not parse("--job=evaluate").config_given
    assert parse("--config=configs/quickstart.py").config_given
    assert parse("--noconfig.model.text.causal").config_given


def test_paths_of_config_changes_may_be_groups() -> None:
    config = parse().config
    assert configuration.parse_paths("optimizer, steps", config) == ("optimizer", "steps")
    assert configuration.parse_paths("", config) == ()
    with pytest.raises(ConfigError, match=r"did you mean 'optimizer\.schedule'"):
        configuration.parse_paths("optimizer.scedule", config)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--noconfig.data.image.flip=True", "takes no value: --config.data.image.flip=True"),
        ("--noconfig.steps=3", "takes no value: --config.steps=3"),
        ("--noconfig.=x", "no key behind the dot"),
        ("--config.", "no key behind the dot"),
        ("--config.data.evaluation.test.templates={'a': {'b': 1}}", "test.templates.* a dict is none"),
        ("--config.tokenizer.prefix_tokens=[[{'a': 1}]]", "prefix_tokens.* a dict is none"),
        ("--config.data.image_views={'q': {'crop_scale': [[{'a': 1}]]}}", "has a dict inside a list"),
        (
            "--config.data.image_views={'q': [1]}",
            r"data.image_views.q=\[1\] must be a group such as {'count'",
        ),
        ("--config.data.tables={'q': 'x'}", "data.tables.q='x' must be a group such as {'path'"),
        ("--config.data.image_views={'q': {'flip': 'False'}}", "image_views.q.flip='False' must be a bool"),
        ("--config.data.image_views={'q': {'count': [1]}}", r"image_views.q.count=\[1\] must be a int"),
        ("--config.data.text_views={'q': {'counts': 2}}", "text_views.q.counts.* did you mean 'count'"),
        (f"--{'x' * 5000}", "there is no flag --xxx"),
    ],
)
def test_what_no_setting_can_be_is_refused_in_a_sentence(flag: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        configuration.resolve(parse(flag).config)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("127.5,127.5,127.5", r"in \[0, 1\]; divide those of bytes by 255"),
        ("-0.1,0.5,0.5", "must be three numbers"),
        ("", "must be three numbers"),
    ],
)
def test_statistics_of_bytes_are_refused(value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        configuration.validate(configuration.resolve(parse(f"--config.data.image.mean={value}").config), ())


@pytest.mark.parametrize("flag", ["config.steps", "config.optimizer.name", "config", "job", "workdir"])
def test_long_values_make_no_long_messages(flag: str) -> None:
    import main

    with pytest.raises(ConfigError) as caught:
        main.prepare([f"--{flag}={'x' * 5000}://"])
    assert "xxx ... " in str(caught.value) and len(str(caught.value)) < 1000


def test_a_text_has_no_billion_tokens() -> None:
    with pytest.raises(ConfigError, match=r"tokenizer.length=1000000000 must be in \[3, 1048576\]"):
        configuration.validate(configuration.resolve(parse("--config.tokenizer.length=1e9").config), ())
