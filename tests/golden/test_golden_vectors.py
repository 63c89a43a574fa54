"""Every golden file that has a counterpart here, in both precisions; `--golden-dir=DIR` checks other seeds."""

from __future__ import annotations

import fnmatch

import attention_checks
import bag_checks
import captioning_checks
import class_table_checks
import composition_checks
import contrastive_checks
import distillation_checks
import global_contrast_checks
import image_only_checks
import jax
import label_checks
import masked_checks
import naflex_checks
import prompt_checks
import pytest
import region_checks
import teacher_checks
from golden_vectors import TOLERANCES, Golden

CHECKS = {
    **contrastive_checks.CHECKS,
    **class_table_checks.CHECKS,
    **teacher_checks.CHECKS,
    **label_checks.CHECKS,
    **masked_checks.CHECKS,
    **captioning_checks.CHECKS,
    **image_only_checks.CHECKS,
    **prompt_checks.CHECKS,
    **bag_checks.CHECKS,
    **composition_checks.CHECKS,
    **distillation_checks.CHECKS,
    **global_contrast_checks.CHECKS,
    **attention_checks.CHECKS,
    **region_checks.CHECKS,
    **naflex_checks.CHECKS,
}

# Files without a check here, and where else they are held to or why they are not.
ELSEWHERE = {
    "lr_schedules": "held to in tests/training/test_schedules.py",
    "kmeans_faiss": "held to in tests/clustering/test_kmeans.py",
}


# What single precision loses is seen less often than what a formula does, and a step compiles for each.
@pytest.mark.parametrize(
    "precision",
    [pytest.param(one, marks=[pytest.mark.slow] if one == "float32" else []) for one in TOLERANCES],
)
def test_golden_file(golden_file, precision):
    name = golden_file.stem.rpartition("_seed")[0]
    check = next((CHECKS[pattern] for pattern in CHECKS if fnmatch.fnmatchcase(name, pattern)), None)
    if check is None:
        pytest.skip(f"{golden_file.name}: {ELSEWHERE.get(name, 'no counterpart here')}")
    with jax.enable_x64(precision == "float64"):
        check(Golden(golden_file, precision))
