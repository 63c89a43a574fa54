"""The optimiser and its schedule."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, natural, not_negative, positive, share, share_below_one

SETTINGS = {
    # adafactor: second moments as rows and columns. muon: orthogonalised momentum for the matrices of blocks, Adam for
    # the rest. lamb: AdamW whose update is as long as the layer's parameters. sgd: the gradient itself, or a momentum.
    "name": Setting("adamw", "which optimiser", choices=("adamw", "adafactor", "muon", "lamb", "sgd")),
    "learning_rate": positive(1e-3, "at its peak"),
    "b1": share_below_one(0.9, "of the momentum; of sgd, 0 is none"),
    "nesterov": Setting(False, "sgd looks ahead by its momentum"),
    "b2": share_below_one(0.98, "of second moments; adafactor starts below it"),
    "momentum_dtype": Setting("float32", "bfloat16 halves its memory", choices=("float32", "bfloat16")),
    "eps": positive(1e-6, "added to the root of second moments"),
    "weight_decay": not_negative(0.1, "decoupled from the moments"),
    "clip_norm": not_negative(1.0, "of the global gradient; 0 = off"),
    "ema_decay": share_below_one(0.0, "of a running mean of the parameters; 0 = off"),
    "learning_rate_rules": Setting(
        "",
        "'regex = multiplier; ...': the first match wins, 0 freezes; what matches nothing needs '?='",
    ),
    "weight_decay_rules": Setting(
        "(bias|scale|position/embedding|class_position|class_token|query)$ ?= 0; .* = 1",
        "likewise, of weight_decay",
    ),
    "schedule": {
        "name": Setting("cosine", "of the rate", choices=("cosine", "reciprocal_sqrt", "constant")),
        "warmup_steps": natural(500, "from 0 to the peak"),
        "cooldown_steps": natural(0, "from there to `final`, at the end"),
        "final": share(0.0, "fraction of the peak at the end"),
    },
}


def check(optimizer: Any, config: Any, where: str) -> None:
    """Checks that the schedule fits into the run."""
    if optimizer.nesterov and (optimizer.name != "sgd" or not optimizer.b1):
        raise ValueError(
            f"{where}.nesterov=True looks ahead by the momentum of name='sgd', not by {optimizer.name!r} with "
            f"b1={optimizer.b1:g}: set nesterov=False, or name='sgd' and b1=0.9"
        )
    schedule, where = optimizer.schedule, f"{where}.schedule"
    if schedule.warmup_steps + schedule.cooldown_steps > config.steps:
        raise ValueError(
            f"{where}: warmup_steps={schedule.warmup_steps} and cooldown_steps={schedule.cooldown_steps} "
            f"do not fit into steps={config.steps}: shorten them or train longer"
        )
    if schedule.name == "cosine" and schedule.cooldown_steps:
        raise ValueError(
            f"{where}.cooldown_steps={schedule.cooldown_steps} has no meaning for 'cosine', which decays anyway: "
            "set it to 0 or use 'constant'"
        )
    if schedule.name == "reciprocal_sqrt" and not schedule.warmup_steps:
        raise ValueError(
            f"{where}.warmup_steps=0: 'reciprocal_sqrt' needs a warm-up, which is its time scale"
        )
