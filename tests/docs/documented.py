"""The commands of the documentation that tests/docs run, each with what makes it small; and what runs nowhere.

`RUN` goes from what one command leaves to what the next reads. Commands of real size that are not among these are
traced at that size (test_commands_traced.py).
"""

from __future__ import annotations

FEW = tuple(f"--config.data.evaluation.{name}.fraction=0.1" for name in ("val_vendor", "val", "test"))
FEATURES = (*FEW[1:], "--config.data.evaluation.train.fraction=0.05")
HELD = (
    *("--config.evaluators.zero_shot.every=0", "--config.evaluators.zero_shot.final=false"),
    *("--config.evaluators.retrieval.every=0", "--config.evaluators.retrieval.sets=val"),
)
NONE = ("--config.evaluators={}",)
SIZES = (
    *(
        f"--config.model.{tower}.{size}"
        for tower in ("image", "text")
        for size in ("width=16", "depth=1", "heads=2", "mlp_dim=32")
    ),
    "--config.model.embed_dim=16",
)
TINY = ("--config=configs/quickstart.py:runlocal", *SIZES)
STEPS = (
    *("--config.steps=2", "--config.batch_size=16", "--config.checkpoint.every=1"),
    *("--config.log.every=1", "--config.log.tensorboard=false", "--config.optimizer.schedule.warmup_steps=1"),
    "--config.data.workers=0",
)
SHORT = (*STEPS, *HELD, *FEW)
ONE_ROUND = ("--config.steps=2", "--config.batch_size=8", *NONE)
BUDGET = ("--config.select.budget=20",)
REPLICAS = ("--config.checkpoint.local_every=1", "--config.checkpoint.local_folder=runs/replicas")
SHARE = "--config.data.sources.quickstart.fraction=0.02"
SOME = ("--config.data.sources.quickstart.fraction=0.05",)
CLUSTERS = (*SOME, "--config.cluster.k=8")
KNN = (
    "--config.evaluators.features.parts=knn",
    *(f"--config.evaluators.{name}.final=false" for name in ("clusters", "geometry")),
)
BY = ("--config.scaling.by=data.sources.quickstart.fraction",)
VALIDATION = ("--config.data.sources.quickstart.path=data/quickstart/val.parquet",)
LOOK = ("--seconds=0",)

Small = tuple[str, ...]
TRAINED: tuple[tuple[str, Small], ...] = (
    ("python main.py", (*TINY, *SHORT)),
    (
        "python main.py --config.objectives.contrastive.label_smoothing=0.1 --workdir=runs/smoothed",
        (*TINY, *SHORT),
    ),
    ("python main.py --workdir=runs/plain-0 --config.seed=0", (*TINY, *SHORT)),
    (
        "python main.py --workdir=runs/smoothed-0 --config.seed=0 "
        "--config.objectives.contrastive.label_smoothing=0.1",
        (*TINY, *SHORT),
    ),
    ("python main.py --job=evaluate --checkpoint=runs/quickstart", ()),
    ("python main.py --job=evaluate --checkpoint=RUN", ()),
    ("python main.py --job=watch --workdir=WORKDIR", LOOK),
    ("python main.py --job=compare runs/quickstart runs/smoothed", ()),
    ("python main.py --job=compare runs/plain-* runs/smoothed-* --output=runs/smoothing.md", ()),
    (
        "python main.py --job=scaling runs/share-* --config.scaling.figure=retrieval/val/rsum "
        "--output=runs/growth.json",
        BY,
    ),
    (
        "python main.py --job=scaling runs/jft/* "
        "--config.scaling.figure=image_retrieval/val/mean_average_precision",
        (*BY, "--output=runs/jft.json"),
    ),
    ("python main.py --job=replay --checkpoint=WORKDIR --step=N", ()),
    (
        "python main.py --config.rollback.factor=1.5 --config.rollback.window=100 --config.rollback.most=5",
        (*TINY, *STEPS, *NONE, "--workdir=runs/back"),
    ),
    (
        "python main.py --config.stages.until=200,400 --config.stages.resolution=32,48 "
        "--config.stages.text_length=12,16",
        (*TINY, *STEPS, *NONE, "--config.steps=3", "--config.stages.until=1,2", "--workdir=runs/staged"),
    ),
    (
        "python main.py --config.frozen.teacher=\"{'checkpoint': 'runs/teacher', 'dtype': 'bfloat16'}\"",
        (*TINY, *STEPS, *NONE, "--workdir=runs/taught_by"),
    ),
    (
        "python main.py --config.checkpoint.local_every=50 --config.checkpoint.local_folder=/dev/shm/vlp",
        (*TINY, *STEPS, *NONE, *REPLICAS, "--workdir=runs/kept"),
    ),
)
IN_BUCKET: tuple[tuple[str, Small], ...] = (
    ("python main.py --workdir=gs://BUCKET/RUN", (*TINY, *STEPS, *NONE)),
    ("python main.py --job=watch --workdir=gs://MINE/runs/first", LOOK),
)
EVALUATED: tuple[tuple[str, Small], ...] = (
    ("python main.py --job=evaluate --checkpoint=RUN --source=FOLDER --config=configs/eval/retrieval.py", ()),
    (
        "python main.py --job=evaluate --checkpoint=RUN "
        "--config=configs/eval/known_set.py:coco_karpathy,path=/data/coco",
        (),
    ),
    (
        "python main.py --job=evaluate --checkpoint=RUN "
        "--config=configs/eval/known_set.py:imagenet,format=folder,path=/data/imagenet/val",
        (),
    ),
    (
        "python main.py --job=evaluate --checkpoint=RUN --config=configs/eval/multi_label.py "
        "--config.evaluators.multi_label.verified=oidv7-test-annotations-human-imagelabels.csv "
        "--config.evaluators.multi_label.hierarchy=bbox_labels_600_hierarchy.json "
        "--config.evaluators.multi_label.names=oidv7-class-descriptions.csv",
        ("--config.evaluators.multi_label.sets=val",),
    ),
    (
        "python main.py --job=embed --checkpoint=runs/quickstart --config=configs/eval/features.py "
        "--output=runs/embedded",
        FEATURES,
    ),
    ("python main.py --job=evaluate --source=runs/embedded --config=configs/eval/features.py", KNN),
    (
        "python main.py --job=embed --checkpoint=runs/quickstart --config=configs/eval/features.py "
        "--output=runs/as_images",
        (*FEATURES, "--config.embed.feature=text"),
    ),
    (
        "python main.py --job=evaluate --checkpoint=runs/quickstart "
        "--config=configs/eval/text_as_image.py:runs/as_images",
        ("--config.evaluators.features.parts=knn",),
    ),
    ("python main.py --job=suite --checkpoint=RUN --source=/data/evalsets", ()),
    (
        "python main.py --job=suite --checkpoint=RUN --source=/data/evalsets --config.suite.name=vtab "
        "--config.suite.tasks=\"('vtab/*',)\"",
        (),
    ),
    (
        "python main.py --job=cluster --checkpoint=runs/quickstart --config.cluster.k=64 "
        "--config.cluster.nearest=4",
        (*CLUSTERS, "--output=runs/clusters"),
    ),
    (
        "python main.py --job=cluster --checkpoint=RUN --config=configs/unicom.py --output=runs/clusters "
        "--config.cluster.feature=mean --config.cluster.nearest=1 --config.cluster.k=1000000",
        CLUSTERS,
    ),
    (
        "python main.py --job=plan --config=configs/siglip2.py --topology=local --config.batch_size=4 "
        "--config.tokenizer.kind=clip --config.tokenizer.path=data/tokenizers/clip",
        (*SIZES, "--config.batch_size=8", "--output=runs/plan.json"),
    ),
)
EXCHANGED: tuple[tuple[str, Small], ...] = (
    (
        "python main.py --config.model.image.pool=class --config.model.image.pre_norm=True "
        "--config.model.text.causal=True --config.model.text.pool=end --workdir=runs/exportable",
        (*TINY, *SHORT),
    ),
    ("python main.py --job=import --source=FOLDER --workdir=runs/theirs", ("--source=runs/exported",)),
    ("python main.py --job=evaluate --checkpoint=runs/theirs --config=configs/eval/retrieval.py", FEW),
    (
        "python main.py --config=runs/theirs/config.json --config.checkpoint.start=runs/theirs --workdir=runs/tuned",
        ("--config.optimizer.learning_rate=1e-4", *SHORT),
    ),
    (
        "python main.py --job=export --checkpoint=runs/theirs --format=huggingface --output=FOLDER",
        ("--output=runs/returned",),
    ),
    (
        "python main.py --job=import --source=BERT --workdir=runs/bert --config.interop.text_length=256",
        ("--config.interop.text_length=8",),
    ),
    (
        "python main.py --job=import --source=PUBMEDBERT --workdir=runs/bert --config.interop.text_length=256",
        ("--config.interop.text_length=8", "--workdir=runs/pubmedbert"),
    ),
    (
        "python main.py --job=embed --config=configs/quickstart.py --checkpoint=runs/lite0 --output=runs/lite0_rows "
        "--config.embed.sets=\"('quickstart',)\" --config.embed.format=parquet",
        SOME,
    ),
)
PREPARED: tuple[tuple[str, Small], ...] = (
    ("python main.py --job=inspect", (SHARE,)),
    ("python main.py --job=inspect --source=FOLDER --output=look", ()),
    (
        "python main.py --job=labels --output=tags.json --config.labels.of=tags --config.labels.least=10",
        ("--config.data.sources.quickstart.fraction=0.3",),
    ),
    (
        "python main.py --job=labels --output=runs/tags.json --config.labels.of=tags",
        ("--config.data.sources.quickstart.fraction=0.3",),
    ),
    (
        "python main.py --config.data.labels=\"{'known': {'path': 'tags.json', 'of': 'tags'}}\"",
        (*TINY, *STEPS, *NONE, "--workdir=runs/labelled"),
    ),
    (
        "python main.py --job=labels --config=configs/catlip.py --config.labels.of=words --config.labels.least=500 "
        "--output=words.json",
        ("--config=configs/catlip.py:runlocal", "--config.labels.least=5"),
    ),
    (
        "python main.py --job=prepare --source=FOLDER --output=data/mine",
        ("--config.prepare.processes=1",),
    ),
    (
        "python main.py --config.data.sources=\"{'mine': {'format': 'array_record', 'path': 'data/mine'}}\"",
        (*TINY, *STEPS, *NONE, "--workdir=runs/mine"),
    ),
    (
        "python main.py --config=configs/clip.py --config.data.sources=\"{'web': '/data/cc12m'}\"",
        (*SIZES, *STEPS, *NONE, "--workdir=runs/web"),
    ),
    (
        "python main.py --config=configs/clip.py --config.data.sources=\"{'web': {'format': 'webdataset', "
        "'path': '/data/cc12m/{00000..01242}.tar'}}\"",
        (*SIZES, *STEPS, *NONE, "--workdir=runs/shards"),
    ),
    ("python main.py --job=describe --output=runs/descriptions.json", ()),
    (
        "python main.py --config=configs/desco.py:runlocal,descriptions=runs/descriptions.json",
        (*SIZES, *STEPS, *NONE, "--workdir=runs/desco"),
    ),
    ("python main.py --job=describe --config.describe.confusable=3 --output=runs/confusable.json", ()),
    (
        "python main.py --job=tokenizer --output=PATH --config.tokenizer.vocabulary_size=8000",
        ("--config.tokenizer.vocabulary_size=400", "--config.data.sources.quickstart.fraction=0.2"),
    ),
    (
        "python main.py --job=select --checkpoint=runs/start --config.select.by=random --output=runs/bought0.txt "
        "--config.data.sources.quickstart.keep_labels=data/quickstart/tables/categories.json",
        BUDGET,
    ),
    (
        "python main.py --config=configs/coop.py:start=runs/start --workdir=runs/coop$round "
        "--config.data.sources.quickstart.shots=0 --config.data.sources.quickstart.keep_ids=$bought",
        ("--config=configs/coop.py:runlocal,start=runs/quickstart", *SIZES, *ONE_ROUND),
    ),
    (
        "python main.py --job=select --checkpoint=runs/coop$round --config.select.seed=$round "
        "--config.select.bought=$bought --output=runs/bought$round.txt "
        "--config.data.sources.quickstart.keep_ids=",
        BUDGET,
    ),
    (
        "python main.py --job=concept --checkpoint=RUN --source=FOLDER --output=runs/concept "
        "--config.concept.positive=\"('a gourmet dish','plated fine dining')\" "
        '--config.concept.negative="(\'fast food\',)" --config.concept.annotator="python ask_my_model.py"',
        ("--config.concept.budget=8",),
    ),
    ("python main.py --job=methods", ()),
    ("python main.py --job=methods --output=docs/methods.md", ()),
    ("python main.py --help", ()),
)


def embedding(name: str, checkpoint: str = "CLIP") -> tuple[str, Small]:
    """The embeddings that a curation goes by."""
    command = f"python main.py --job=embed --checkpoint={checkpoint} --config=configs/curate/{name}"
    more = (FEW[1],) if "filter=image" in name else ()
    return f"{command} --output=runs/embedded", (*SOME, *more)


def curation(name: str, output: str, *more: str) -> tuple[str, Small]:
    """A curation by the embeddings before it."""
    given = ["--config.curate.embeddings=runs/embedded", *more]
    command = f"python main.py --job=curate --config=configs/curate/{name}"
    return f"{command} {' '.join(given)} --output=runs/curated/{output}", SOME


IMAGE = "python main.py --job=curate --config=configs/curate/datacomp.py:filter=image --output=runs/curated/image "
SEMDEDUP = "--config.curation.semdedup.clusters=runs/clusters"
CURATED: tuple[tuple[str, Small], ...] = (
    ("python main.py --job=curate --config=configs/curate/metaclip.py --output=runs/curated", SOME),
    (
        "python main.py --config=configs/clip.py:runlocal "
        "--config.data.sources.quickstart.keep_ids=runs/curated/kept.txt",
        (*SIZES, *STEPS, *NONE, "--workdir=runs/kept_ids"),
    ),
    embedding("clip_score.py"),
    curation("clip_score.py", "clip_score"),
    (
        "python main.py --job=curate --config=configs/curate/datacomp.py:filter=basic --output=runs/curated/basic",
        (*SOME, "--config.curation.basic_filter.side_least=0"),
    ),
    (
        "python main.py --job=curate --config=configs/curate/datacomp.py:filter=text --output=runs/curated/text "
        "--config.curation.match.entries=imagenet_names.txt",
        SOME,
    ),
    (
        "python main.py --job=cluster --checkpoint=CLIP --config=configs/curate/datacomp.py --output=runs/clusters",
        CLUSTERS,
    ),
    embedding("datacomp.py:filter=image"),
    (
        f"{IMAGE}--config.curate.embeddings=runs/embedded --config.curation.near_classes.clusters=runs/clusters",
        (*SOME, FEW[1]),
    ),
    embedding("deduplicate.py:by=embeddings"),
    curation("deduplicate.py:by=embeddings", "deduplicated"),
    embedding("gist.py", "RUN"),
    embedding("gist.py"),
    curation("gist.py", "gist"),
    ("python main.py --job=describe --config=configs/curate/mofi.py --output=runs/descriptions.json", SOME),
    embedding("mofi.py"),
    (curation("mofi.py", "mofi")[0], (*SOME, "--config.curation.entities.threshold=-1")),
    embedding("rs5m.py"),
    curation("rs5m.py", "rs5m"),
    (
        "python main.py --job=cluster --checkpoint=CLIP --config=configs/curate/semdedup.py --output=runs/clusters",
        CLUSTERS,
    ),
    embedding("semdedup.py"),
    curation("semdedup.py", "semdedup", SEMDEDUP),
    embedding("textualization.py"),
    curation("textualization.py:regions=regions.jsonl", "textualization"),
    (
        "python main.py --job=embed --checkpoint=TEACHER "
        "--config=configs/mobileclip.py:captions=runs/captions/texts.jsonl --output=runs/taught",
        (*VALIDATION, "--config.embed.views=2"),
    ),
    (
        "python main.py --job=embed --checkpoint=CLIP --config=configs/gpt4image.py:captions=said.jsonl "
        "--output=runs/said",
        SOME,
    ),
    (
        "python main.py --config=configs/mobileclip.py:captions=runs/captions/texts.jsonl,stored=runs/taught",
        (*SIZES, *STEPS, *NONE, *VALIDATION, "--workdir=runs/mobileclip"),
    ),
    (
        "python main.py --config=configs/gpt4image.py:captions=said.jsonl,stored=runs/said",
        (*SIZES, *STEPS, *NONE, *SOME, "--workdir=runs/gpt4image"),
    ),
    (
        'python main.py --config=configs/clip.py:runlocal --config.data.text.kinds="fused=1" '
        "--config.data.sources.quickstart.captions_by_id=runs/curated/fusecap/texts.jsonl",
        (*SIZES, *STEPS, *NONE, "--workdir=runs/fused"),
    ),
    *(
        (
            f"python main.py --config=configs/concentration.py:vertical={name} --workdir=runs/{name}",
            (*SIZES, *STEPS, *NONE),
        )
        for name in ("animals-nature", "objects")
    ),
    (
        "python main.py --config=configs/concentration.py:specialists=runs/animals-nature+runs/objects",
        (*SIZES, *STEPS, *NONE, "--workdir=runs/concentrated"),
    ),
    (
        "python main.py --config=configs/mofi.py:curated=runs/curated/mofi",
        (*SIZES, *STEPS, *NONE, "--workdir=runs/entities"),
    ),
    (
        "python main.py --config=configs/unip.py:runlocal,teacher=WORKDIR",
        (
            "--config=configs/unip.py:runlocal,teacher=runs/kept_ids,layer=-1",
            *(*SIZES, *STEPS, *NONE, "--workdir=runs/unip"),
        ),
    ),
)
RUN = (*TRAINED, *EVALUATED, *EXCHANGED, *PREPARED, *CURATED)

# What no test runs, by a part of it, and why.
NOWHERE = {
    r"fractals\.py:model=": "draws its categories first, for minutes; the toy runs in tests/configs",
    r"unip\.py:teacher=WORKDIR,layer=17": "a teacher of 24 layers and its student's patches; it runs small",
    r"start=runs/lite0": "the rows of the authors' weights; tests/runs/test_stored_towers.py trains on others",
    r"known_set\.py:cifar100": "folders that TFDS has prepared; one of images of ImageNet is evaluated",
    r"--source=efficientnet-lite0-57934424\.pth": "the authors' weights; tests/interop import the tower with others",
    r"--job=plan --topology=v5e": "libtpu and minutes for each; tests/planning compile small steps",
}
# What another test gives from the page, word by word.
QUOTED = {r"spread:Spread|striped\.py": "tests/test_extending.py"}
PLACES = {
    "gs://BUCKET/RUN": "gs://bucket/runs/first",
    "gs://MINE": "gs://bucket",
    "/data/cc12m/{00000..01242}.tar": "cc12m/{00000..00001}.tar",
    "/data/": "",
    **dict.fromkeys(("RUN", "WORKDIR", "CLIP"), "runs/quickstart"),
    "TEACHER": "runs/kept_ids",  # which sees images as the student does
    **dict.fromkeys(("runs/start", "runs/teacher", "runs/lite0"), "runs/quickstart"),
    "FOLDER": "mine",
    "PATH": "own.model",
    **dict.fromkeys(("BERT", "PUBMEDBERT"), "bert"),
    "$round": "1",
    "$bought": "runs/bought0.txt",
}
