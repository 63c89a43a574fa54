"""--job=embed."""

from __future__ import annotations

from configs.settings.setting import Setting, count, natural

SETTINGS = {
    "sets": Setting(
        (),
        "names in data.evaluation or data.sources; () = all of data.evaluation, or what `curate.steps` are for",
    ),
    "feature": Setting(
        "image", "'both' = all captions of each record, beside its image", choices=("image", "text", "both")
    ),
    "views": natural(0, "of each image, as runs with data.variants show them; 0 = as evaluators see it"),
    "dtype": Setting(
        "",
        "of weights and sums, as frozen.NAME.dtype; '' = float32, and sums as the model was trained",
        choices=("", "float32", "bfloat16"),
    ),
    "format": Setting("npy", "of the shards; npy has a JSON file beside each", choices=("npy", "parquet")),
    "shard_records": count(8192, "records of a shard"),
    "batch_size": count(256, "images or texts encoded at a time by each process, on all its devices"),
}
