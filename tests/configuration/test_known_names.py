"""The tables of allowed names are kept apart from what they name, which needs JAX: here they must agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs import base
from configs.settings.objectives import contrastive
from input_pipeline.tokenizers.cleaning import CLEANERS
from input_pipeline.views.resize import RESIZE_MODES
from input_pipeline.views.text import CHOICES as CAPTION_CHOICES
from input_pipeline.views.text import LANGUAGES
from vlp.configuration import ConfigError, needs
from vlp.configuration.parts import find_part
from vlp.configuration.paths import PROJECT_ROOT
from vlp.configuration.schema import settings_of
from vlp.embeddings.store import FORMATS as SHARD_FORMATS
from vlp.jobs import available
from vlp.kernels import KERNELS, REGRESSIONS
from vlp.kernels.margins import MARGINS
from vlp.models.compute import REMAT_POLICIES
from vlp.models.pooling import IMAGE_POOLS, TEXT_POOLS
from vlp.objectives.contrastive import CHUNKED
from vlp.objectives.targets import TARGETS
from vlp.training import schedules


def test_choices_are_those_of_the_code() -> None:
    code = {
        "model.remat": ("none", *REMAT_POLICIES),
        "model.image.pool": IMAGE_POOLS,
        "model.text.pool": TEXT_POOLS,
        "tokenizer.clean": ("", *CLEANERS),
        "objectives.contrastive.kernel": {**KERNELS, **REGRESSIONS},
        "objectives.discrimination.kernel": KERNELS,
        "objectives.contrastive.targets": TARGETS,
        "objectives.discrimination.margin_kind": MARGINS,
        "optimizer.schedule.name": schedules.NAMES,
        "data.image.resize": RESIZE_MODES,
        "data.text.choice": CAPTION_CHOICES,
        "embed.format": SHARD_FORMATS,
    }
    settings = settings_of(base.get_config())
    assert {path: set(settings[path].choices) for path in code} == {
        path: set(names) for path, names in code.items()
    }
    assert set(contrastive.CHUNKED) == set(CHUNKED)
    assert base.get_config().data.text.languages == LANGUAGES


def test_every_job_describes_itself() -> None:
    jobs = available()
    assert {"train", "evaluate", "tokenizer"} <= set(jobs)
    for job in jobs.values():
        assert 0 < len(job.summary) <= 100, f"{job.name}: the first line of its docstring says what it does"
        assert job.needs is not None and set(job.needs) <= set(needs.NEEDS)


def test_the_project_root_holds_the_configs() -> None:
    assert (PROJECT_ROOT / "configs" / "base.py").is_file()


def test_what_a_package_of_ones_own_lacks_is_its_bug_and_not_a_wrong_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy_part.py").write_text("import needy_part_of_nothing")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="needy_part_of_nothing"):
        find_part("objectives", "needy_part:Any", "objectives.mine")
    with pytest.raises(ConfigError, match=r"gone.part:Any': there is no module 'gone'"):
        find_part("objectives", "gone.part:Any", "objectives.mine")
