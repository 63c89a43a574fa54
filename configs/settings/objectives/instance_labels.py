"""Labels of images from labels of the bags they come in: INS."""

from __future__ import annotations

from configs.settings.kernels import CHUNK
from configs.settings.queues import check_queue
from configs.settings.setting import Setting, count, natural, not_negative, positive, share, share_below_one

CLASS = "vlp.objectives.instance_labels:InstanceLabels"

SETTINGS = {
    "weak_view": Setting("image", "batch field of images"),
    "strong_view": Setting("strong", "a name of data.image_views, of which the first counts"),
    "place": Setting("place", "a name of data.tables: a number for each record, from 0"),
    "bags": Setting(
        "bag_positive", "a name of data.tables: 1 for the records of positive bags, 0 for the others"
    ),
    "bag": Setting(
        "bag", "a name of data.tables: the number of a record's bag, from 0; read where bag_weight is set"
    ),
    "bag_count": count(1024, "bags that have a number"),
    "bag_weight": not_negative(
        0.0, "of the bags' own labels, told by the mean of a bag's images in the batch; 0 = absent"
    ),
    "records": count(100_000, "that have a number"),
    "size": count(8192, "rows of the queue, a multiple of batch_size"),
    "hidden_width": count(512, "of the head"),
    "width": count(128, "of what is compared"),
    "temperature": positive(0.07, "of cosines"),
    "contrast_weight": not_negative(0.5, "of the contrast"),
    "momentum": share(0.999, "of the running mean that makes the other view's rows"),
    "prototype_momentum": share_below_one(0.9, "of the prototypes, a row at a time"),
    "first_memory": share(0.95, "of the table, at step 0"),
    "last_memory": share(0.8, "of the table, from memory_steps on"),
    "memory_steps": natural(0, "from the first to the last in a straight line; 0 = the last at once"),
    "warmup_steps": natural(0, "in which views alone are contrasted"),
    "chunk": CHUNK,
}

check = check_queue
