"""The run itself: its length, stages, machines, checkpoints and logs."""

from __future__ import annotations

import re
from typing import Any

from configs.settings.setting import Setting, count, natural, not_negative

SETTINGS = {
    "name": Setting("base", "of the default workdir, runs/NAME"),
    "seed": natural(0, "root of all randomness"),
    "steps": count(10_000, "updates"),
    "batch_size": count(256, "pairs a step, over all hosts and devices"),
    "max_skipped": natural(10, "updates in a row that are not finite; one more ends the run"),
    # A spike has the run go back to a checkpoint from at least `window` steps before, and skip the data between.
    "rollback": {
        "factor": not_negative(
            0.0, "of the median loss, above which the run goes back to a checkpoint; 0 = off"
        ),
        "window": count(100, "losses that the median is of"),
        "most": count(5, "rollbacks of the whole run"),
    },
    # Progressive training: what is smaller at first. One value for each stage but the last, which is the config itself;
    # () = as the config says. docs/scale.md tells more.
    "stages": {
        "until": Setting(
            (),
            "updates after which each of them ends, or below 1 shares of the run; () = there is but one stage",
        ),
        "resolution": Setting((), "in the place of model.image.resolution"),
        "patches": Setting((), "of model.image.patches"),
        "text_length": Setting((), "of tokenizer.length"),
        "patch_dropout": Setting((), "of model.image.patch_dropout"),
    },
    "mesh": {
        "data": Setting(-1, "devices that batches are split over; -1 = all that the other axes leave"),
        "fsdp": Setting(1, "devices that batches, parameters and moments are split over"),
        "model": Setting(1, "devices that layers and class tables are split over"),
    },
    # Found by itself under SLURM, Open MPI, Kubernetes and on TPU pods; a coordinator starts processes by hand.
    "distributed": {
        "coordinator": Setting("", "address:port of process 0; '' = found by itself"),
        "processes": natural(0, "how many there are"),
        "process": natural(0, "which of them this is"),
        "slices": natural(0, "that the processes form, joined along mesh.data; 0 = as TPUs say themselves"),
        "start_seconds": count(300, "to wait for the others at the start"),
        "heartbeat_seconds": Setting(20, "without a sign of life, after which a process is lost", at_least=5),
    },
    "checkpoint": {
        "every": natural(1000, "steps; the last step is always saved"),
        "every_minutes": Setting(
            0.0, "also where the last save is as long ago; 0 = by steps alone", at_least=0
        ),
        "local_every": natural(
            0,
            "steps between replicas that each host keeps of its own, gone on from after a process has died; 0 = none",
        ),
        "local_folder": Setting(
            "", "of each host for them: a disk, or memory as /dev/shm/vlp; '' = in the user's cache folder"
        ),
        "keep_last": count(2, "of them stay"),
        "keep_every": natural(0, "also keep multiples of this step for ever; 0 = none"),
        "start": Setting("", "checkpoint or workdir whose model a fresh run starts from; '' = none"),
        "start_image": Setting("", "whose image tower and its projection, ahead of `start`"),
        "start_text": Setting("", "whose text tower and its projection"),
        "start_new": Setting("", "regex of paths, as '^model/text_projection/', that they need not have"),
    },
    "log": {
        "every": count(50, "steps"),
        "tensorboard": Setting(True, "write events, too"),
        "tracker": Setting(
            "",
            "its offline run in the workdir, too; nothing is sent",
            choices=("", "wandb", "trackio"),
        ),
    },
    "profile": {
        "first": natural(0, "step that is traced into the workdir's `profile`; 0 = none"),
        "steps": count(3, "that are traced"),
    },
}


def check(config: Any) -> None:
    """Rollbacks, mesh and processes are possible."""
    _check_rollback(config)
    _check_mesh(config.mesh)
    _check_start(config.checkpoint)
    _check_local_folder(config.checkpoint)
    settings = config.distributed
    if settings.coordinator and not settings.process < settings.processes:
        raise ValueError(
            f"distributed.process={settings.process} is none of distributed.processes={settings.processes}: with a "
            "coordinator, give every process the number of all and its own, from 0"
        )


def _check_rollback(config: Any) -> None:
    factor = config.rollback.factor
    if factor and factor <= 1:
        raise ValueError(
            f"rollback.factor={factor} makes a spike of any loss: use 0 (off) or more than 1, as 1.5"
        )
    if factor and not config.checkpoint.every:
        raise ValueError(f"rollback.factor={factor} needs checkpoints to go back to: set checkpoint.every")


def _check_local_folder(checkpoint: Any) -> None:
    if "://" in checkpoint.local_folder:
        raise ValueError(
            f"checkpoint.local_folder='{checkpoint.local_folder}' is an address, and replicas lie on the hosts: name a "
            "folder of theirs, or leave it ''"
        )


def _check_start(checkpoint: Any) -> None:
    new = checkpoint.start_new
    try:
        re.compile(new)
    except re.error as error:
        raise ValueError(f"checkpoint.start_new='{new}' is no regular expression: {error}") from error
    if new and not (checkpoint.start or checkpoint.start_image or checkpoint.start_text):
        raise ValueError(
            f"checkpoint.start_new='{new}' has no meaning in a run that starts from nothing: set checkpoint.start, "
            "start_image or start_text"
        )


def _check_mesh(mesh: Any) -> None:
    sizes = dict(mesh.items())
    for axis, size in sizes.items():
        if size < 1 and size != -1:
            raise ValueError(f"mesh.{axis}={size} must be at least 1, or -1 for all devices the others leave")
    if list(sizes.values()).count(-1) > 1:
        raise ValueError(f"mesh: only one axis may be -1, not {sizes}")
