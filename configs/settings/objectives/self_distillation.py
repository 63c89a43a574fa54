"""An image's crops against a teacher's scores of its global crops: DINO."""

from __future__ import annotations

from configs.settings.setting import Setting, count, natural, positive, share, share_below_one

CLASS = "vlp.objectives.self_distillation:SelfDistillation"

SETTINGS = {
    "global_view": Setting("global_crops", "a name of data.image_views"),
    "local_view": Setting("local_crops", "a name of data.image_views"),
    "hidden_width": count(2048, "of both hidden layers of the head"),
    "bottleneck_width": count(256, "of the layer before the prototypes"),
    "prototypes": Setting(65_536, "columns of the head's last layer", at_least=2),
    "frozen_steps": natural(0, "at first, in which the head's last layer learns nothing; DINO: an epoch's"),
    "temperature": positive(0.1, "of the student"),
    "teacher_temperature": positive(0.04, "of the teacher"),
    "first_temperature": positive(0.04, "of the teacher at step 0"),
    "temperature_steps": natural(0, "from first_temperature to teacher_temperature; 0 = at once"),
    "momentum": share(0.996, "of the teacher"),
    "momentum_steps": natural(0, "from momentum to 1 along half a cosine; 0 = it stays"),
    "teacher": Setting(
        "running_mean",
        "of tower and head, or of the head alone on the student's tower (TIPSv2)",
        choices=("running_mean", "head"),
    ),
    "centring": Setting(
        "mean",
        "against collapse: the running mean of the teacher's scores is taken from them (DINO), or they are assigned "
        "to prototypes alike, by Sinkhorn-Knopp over the batch (DINOv2)",
        choices=("mean", "sinkhorn"),
    ),
    "centre_momentum": share_below_one(0.9, "of the centre of the teacher's scores"),
}
