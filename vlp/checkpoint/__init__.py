"""Checkpoints that explain themselves, are written aside, verified when read, and resumed exactly."""

from vlp.checkpoint.arrays import check_shapes
from vlp.checkpoint.checkpointer import Checkpointer
from vlp.checkpoint.config_guard import check_same_config, config_differences
from vlp.checkpoint.description import Description, read_description, shown
from vlp.checkpoint.folders import complete_steps, is_step
from vlp.checkpoint.found import find_checkpoint, run_of, steps_of
from vlp.checkpoint.inference import load_model_arrays, model_branches
from vlp.checkpoint.manifest import digest_of
from vlp.checkpoint.replicas import Replicas

__all__ = [
    "Checkpointer",
    "Description",
    "Replicas",
    "check_same_config",
    "check_shapes",
    "complete_steps",
    "config_differences",
    "digest_of",
    "find_checkpoint",
    "is_step",
    "load_model_arrays",
    "model_branches",
    "read_description",
    "run_of",
    "shown",
    "steps_of",
]
