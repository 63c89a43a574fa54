"""Every setting there is, with its default: objectives have weight 0 and evaluators period 0.

Other config files start from `get_config()` and change what they need. The result is locked, so that a
misspelt name is an error; 0 and '' stand for "off" or "take it from elsewhere", never None.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs.common import quickstart_source
from configs.evaluators import evaluators


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "base"  # names the default workdir: runs/<name>
    config.seed = 0
    config.steps = 10_000
    config.batch_size = 256  # global: over all hosts and devices
    config.max_skipped = 10  # updates in a row whose loss or gradient is not finite; one more ends the run

    # A loss of more than `factor` times the median of the last `window` ones has the run go back to a checkpoint from
    # at least `window` steps before, and skip the data between.
    config.rollback = {"factor": 0.0, "window": 100, "most": 5}  # factor 0 = off; most: of the whole run

    # Progressive training: what is smaller at first. One value for each stage but the last, which is the config itself;
    # () = as the config says. docs/scale.md tells more.
    config.stages = {
        "until": (),  # updates after which each of them ends; () = there is but one stage
        "resolution": (),  # in the place of model.image.resolution
        "text_length": (),  # of tokenizer.length
        "patch_dropout": (),  # of model.image.patch_dropout
    }

    config.model = _model()
    config.tokenizer = {
        "kind": "sentencepiece",
        "path": "data/quickstart/tokenizer.model",
        "length": 32,  # tokens per caption; longer captions are cut
        "vocabulary_size": 0,  # 0 = take it from the file, else checked against the file
        "special_tokens": "",  # as "begin=<s>,end=</s>,pad=<pad>"; '' = what the file says
        "clean": "",  # what is done to a text first, of input_pipeline/tokenizers/cleaning.py; '' = what the kind does
        "prefix_tokens": (),  # names of ids to append, one of which may stand before a text
    }
    config.objectives = _objectives()
    config.optimizer = _optimizer()
    config.data = _data()
    config.evaluators = evaluators()
    config.cluster = _cluster()
    config.embed = _embed()
    config.mesh = {"data": -1, "fsdp": 1, "model": 1}  # -1 = all devices the other axes leave
    # Found by itself under SLURM, Open MPI, Kubernetes and on TPU pods; a coordinator starts processes by hand.
    config.distributed = {
        "coordinator": "",  # address:port of process 0
        "processes": 0,
        "process": 0,  # which of them this is
        "start_seconds": 300,  # to wait for the others at the start
        "heartbeat_seconds": 20,  # without a sign of life, after which a process counts as lost
    }
    config.checkpoint = {
        "every": 1000,  # steps; the last step is always saved
        "keep_last": 2,
        "keep_every": 0,  # also keep multiples of this step for ever; 0 = none
        "start": "",  # checkpoint or workdir whose model a fresh run starts from; '' = none
        "start_image": "",  # whose image tower and its projection, ahead of `start`
        "start_text": "",  # whose text tower and its projection
        "start_new": "",  # regex of paths, as "^model/text_projection/", that they need not have, or not in this shape
    }
    config.log = {"every": 50, "tensorboard": True}
    config.profile = {"first": 0, "steps": 3}  # steps traced into the workdir's `profile`; first 0 = none
    _set_jobs(config)
    return config.lock()


def _set_jobs(config: ConfigDict) -> None:
    """What jobs other than training ask for."""
    config.interop = {  # --job=import
        "resolution": 0,  # resample positions to images of this side; 0 = as they are
        "patch_size": 0,  # resample the patch kernel to this side; 0 = as it is
        "unpickle": False,  # read weights from a pickle where there are no safetensors
    }
    config.prepare = {  # --job=prepare
        "max_side": 512,  # pixels of the longer side; larger images are scaled down
        "quality": 90,  # of the JPEGs that are written
        "duplicate_tolerance": 16,  # of 255 levels, between thumbnails of near-duplicates; -1 = keep them
        "records_per_shard": 4096,
        "processes": 0,  # 0 = one for each core
    }
    config.describe = {  # --job=describe
        "labels": "category",  # rule from labels to class names, as in evaluators.zero_shot
        "tags": 8,  # of a class at most: those that tell it best from the others
        "templates": ("{attribute}", "{name}: {attribute}"),  # of a class name and one of its tags
    }
    config.inspect = {  # --job=inspect
        "records": 2000,  # looked at in each source, evenly spread; 0 = all
        "rows": 6,  # of the contact sheet: records
        "visits": 4,  # of the contact sheet, beside each other
        "seconds": 10.0,  # that --benchmark runs the loader
        "mfu": 0.5,  # assumed for the images that the devices need
    }


def _model() -> dict:
    return {
        "embed_dim": 512,
        "projection": "linear",  # from towers to embeddings; mlp = two layers with a ReLU between
        "dtype": "float32",  # of activations; parameters and losses are float32
        "attention": "auto",
        "scan_blocks": "auto",
        "remat": "none",
        # Examples whose activations are held at a time, encoded once more in the backward pass (GradCache); 0 = all.
        "micro_batch": 0,
        # Clamped to [min, max] after every update, where it is learned.
        "logit_scale": {"init": 1 / 0.07, "min": 0.0, "max": 100.0, "learn": True},
        "logit_bias": {"init": -10.0, "learn": False},  # of the sigmoid kernel; not learned = none
        "image": {
            # vit, or a convolutional tower: resnet (sizes R26 ... R152, R50x4 ... R50x64), efficientnet (B0 ... B7,
            # L2), convnext (T, S, B, L). For these nothing below `depth` has a meaning but the resolution and, for a
            # resnet, `norm` and pool='attention' with its heads. Or your own: 'package.module:Class' of a family.
            "kind": "vit",
            "size": "S",  # Ti, S, B, L, H, So400m, or '' with the four numbers below
            "width": 0,  # of a convolutional tower: channels after the stem, which all others follow
            "depth": 0,  # of a convolutional tower: blocks in each stage
            "heads": 0,
            "mlp_dim": 0,
            "patch_size": 16,
            "resolution": 224,
            "position": "learned",
            "pool": "mean",
            "registers": 0,
            "patch_dropout": 0.0,
            # What other projects' models have; the defaults are what this one trains best.
            "activation": "gelu_tanh",  # gelu, gelu_tanh or quick_gelu
            "norm_eps": 1e-6,
            "pre_norm": False,  # a norm before the first block (CLIP)
            "patch_bias": True,
            "drop_rest": False,  # True: the resolution need not be a multiple of patch_size; what is beyond is not seen
            "class_position": False,  # positions for class token and registers, too
            "project_query": False,  # of attention pooling: a linear layer between what is learned and the query
            "projection": "",  # '' = model.projection; biased = linear with a bias, none = the pooled output itself
            "norm": "group",  # of a resnet; batch = CLIP's own, with constant statistics
        },
        "text": {
            # transformer, or bag: the mean of embedded words and n-grams, and an MLP of `width` and `mlp_dim`, for
            # which nothing else has a meaning. Or your own: 'package.module:Class' of a family.
            "kind": "transformer",
            "size": "S",
            "width": 0,
            "depth": 0,
            "heads": 0,
            "mlp_dim": 0,
            "causal": True,
            "pool": "end",
            "attend_padding": False,  # True: whatever stands behind a text is read as well
            "ngrams": 1,  # of a bag: the longest run of tokens that has an embedding of its own
            "buckets": 65_536,  # of a bag: rows that the n-grams longer than 1 are hashed to
            "activation": "gelu_tanh",
            "norm_eps": 1e-6,
            "project_query": False,
            "projection": "",
        },
    }


def _objectives() -> dict:
    return {
        "contrastive": {
            "weight": 0.0,
            "kernel": "softmax",
            "targets": "pair",
            "direction": 0.5,  # share of image-to-text; the rest is text-to-image
            "label_smoothing": 0.0,
            "image_view": "image",  # batch fields: `image`, `text` or a name of data.image_views, data.text_views
            "text_view": "text",
            "chunk": 0,  # rows of the score matrix that exist at a time on each device; 0 = all
        },
        "discrimination": {
            "weight": 0.0,
            "labels": "cluster_ids",  # batch field of class numbers, such as a name of data.tables
            "classes": 1_000_000,
            "image_view": "image",
            "kernel": "separated",
            "scale": 64.0,
            "margin_kind": "angle",
            "margin": 0.3,
            "rate": 0.1,  # share of the classes that take part in a step, with all labels of the batch
            "feature_rate": 1.0,  # share of the dimensions that do
            "chunk": 1024,  # rows scored at a time on each device
        },
        "prototypes": {
            "weight": 0.0,
            "episode_size": 200_000,  # examples clustered ahead, a multiple of the batch
            "clusters": 20_000,
            "iterations": 20,  # of k-means
            "dim": 128,
            "head_width": 2048,
            "temperature": 0.01,  # of the targets; 0 = hard ones
            "back_translation": True,
            "teacher": "",  # a name of data.tables that holds embeddings; '' = none
            "teacher_dim": 64,
            "teacher_weight": 1.0,
            "stop_step": 0,  # from which on it has no loss; 0 = never
        },
        # Several captions of an image against the patches that each of them picks out (DreamLIP).
        "grouping": {
            "weight": 0.0,
            "image_view": "image",
            "text_view": "captions",  # a name of data.text_views
            "logit_scale": {"init": 1 / 0.07, "min": 0.0, "max": 100.0},
        },
        "ranking": {
            "weight": 0.0,
            "targets": "pair",
            "margin": 0.2,  # of cosines
            "hardest": True,  # the hardest negative alone (VSE++); False = the sum over all
        },
        **_view_objectives(),
    }


def _view_objectives() -> dict:
    return {
        # Views of the same image (SLIP). Its field is a name of data.image_views with a count of 2.
        "view_contrast": {
            "weight": 0.0,
            "view": "strong",
            "temperature": 0.1,
            "hidden_width": 4096,  # of both hidden layers of the head
            "output_width": 256,
        },
        # An image's crops against a teacher's scores of its global crops (DINO).
        "self_distillation": {
            "weight": 0.0,
            "global_view": "global_crops",  # names of data.image_views
            "local_view": "local_crops",
            "hidden_width": 2048,  # of both hidden layers of the head
            "bottleneck_width": 256,
            "prototypes": 65_536,
            "temperature": 0.1,  # of the student
            "teacher_temperature": 0.04,
            "first_temperature": 0.04,  # of the teacher at step 0
            "temperature_steps": 0,  # from first_temperature to teacher_temperature; 0 = at once
            "momentum": 0.996,  # of the teacher
            "momentum_steps": 0,  # from momentum to 1 along half a cosine; 0 = it stays
            "centre_momentum": 0.9,
        },
    }


def _optimizer() -> dict:
    return {
        # adamw; adafactor (second moments as rows and columns); muon (orthogonalised momentum for the matrices of
        # blocks, Adam for the rest).
        "name": "adamw",
        "learning_rate": 1e-3,
        "b1": 0.9,  # of the momentum
        "b2": 0.98,  # of second moments; adafactor starts below it
        "momentum_dtype": "float32",  # bfloat16 halves its memory
        "eps": 1e-6,
        "weight_decay": 0.1,
        "clip_norm": 1.0,  # of the global gradient; 0 = off
        "ema_decay": 0.0,  # 0 = off
        # "regex = multiplier; ...": the first match wins, and each alternative of a rule has to match something, unless
        # it says "?=". A learning rate multiplied by 0 freezes.
        "learning_rate_rules": "",
        "weight_decay_rules": "(bias|scale|position/embedding|class_position|class_token|query)$ ?= 0; .* = 1",
        "schedule": {
            "name": "cosine",
            "warmup_steps": 500,
            "cooldown_steps": 0,
            "final": 0.0,  # fraction of the peak learning rate
        },
    }


def _data() -> dict:
    return {
        "sources": {"quickstart": quickstart_source("train")},
        "image": {
            "crop_scale": (0.5, 1.0),  # area of a training crop, as a share of the image
            "crop_ratio": (3 / 4, 4 / 3),
            "flip": False,
            # All off; when on, each rolls its own dice. input_pipeline/views/augmentations.py says what they do.
            "color_jitter": (0.0, 0.0, 0.0, 0.0),  # brightness, contrast, saturation, hue
            "color_jitter_probability": 0.8,
            "grayscale": 0.0,  # probabilities
            "blur": 0.0,
            "solarize": 0.0,
            "rand_augment": (0, 9),  # operations a picture, magnitude from 0 to 30
            "resize": "pad",
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
        },
        "text": {
            "choice": "uniform",
            "languages": ("", "en"),  # '' = language unknown; () = all
            # "name=share,...", relative to what a record has; '*' is any other name, '' = they do not matter.
            "kinds": "",  # as "title=0.7,sentence=0.3"
            "language_choice": "",  # as "en=0.5,*=0.5", or 'uniform'
            "sentences": False,  # show one sentence of a caption, not all of it
            "label_share": 0.0,  # how often a label is shown although there is a caption
            "templates": (),  # of texts for labels, as ("a photo of a {}.",) or a .json file; () = none
        },
        # More batch fields by name, for objectives that ask for them: image views {"count": 2, "resolution": 0, and
        # what differs from `image`}, captions {"count": 2, and what differs from `text`}, and values by record id
        # {"path": parquet files with columns `id` and NAME, "missing": "skip" or "fill"}.
        "image_views": {},
        "text_views": {},
        "tables": {},
        "single_source_batches": False,  # True: every global batch is of one source, drawn by weight
        "workers": 0,  # processes beside this one
        "threads": 2,
        "prefetch": 4,  # batches
        "max_bad_share": 0.05,  # of unreadable records, above which training stops
        "watchdog_seconds": 120,  # without a batch, after which the loader's state is printed; 0 = never
        "watchdog_reports": 10,  # of them in a row stop the run
        "evaluation": {split: quickstart_source(split) for split in ("val_vendor", "val", "test")},
    }


def _embed() -> dict:
    return {  # of --job=embed
        "sets": (),  # names in data.evaluation or data.sources; () = all of data.evaluation
        "feature": "image",  # or "text", or "both": all captions of each record, beside its image
        "format": "npy",  # of the shards, with a JSON file beside each; or "parquet"
        "shard_records": 8192,
        "batch_size": 256,  # images or texts encoded at a time by each process, on all its devices
    }


def _cluster() -> dict:
    return {  # of --job=cluster
        "k": 1000,
        "iterations": 20,
        "init": "kmeans++",
        "spherical": True,  # centres of length 1: nearest means of the highest cosine
        "nearest": 8,  # clusters each record is given
        "feature": "image",  # or "text", or "mean" for the unit mean of both
        "seed": 0,
        "chunk_points": 65536,  # records on all devices at a time
        "chunk_centres": 2048,  # centres whose scores a device holds at a time
        "write_embeddings": False,  # also as a side table
    }
