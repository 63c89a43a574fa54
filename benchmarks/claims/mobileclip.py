"""Stored rows of a teacher, of fixed views and of real and synthetic captions, against the same student without."""

from benchmarks.claims import Claim, Step, job, train

TEACHER = train("--config.model.image.depth=4", times=3, seed=0)
SMALL = ("--config.model.image.depth=1", "--config.model.text.depth=1")
WRITTEN = "--config.data.sources.quickstart.captions_by_id={captions}/texts.jsonl"
CAPTIONS = job("curate", "--config=configs/curate/fusecap.py", "--output={folder}")
ROWS = job(
    *(
        "embed",
        "--checkpoint={teacher}",
        "--config=configs/quickstart.py:runlocal",
        "--output={folder}",
        WRITTEN,
    ),
    *("--config.embed.sets=('quickstart',)", "--config.embed.feature=both", "--config.embed.views=4"),
    *("--config.embed.format=parquet", "--config.embed.dtype=bfloat16"),
    teacher=TEACHER,
    captions=CAPTIONS,
)
KINDS = (
    WRITTEN,
    "--config.data.text.kinds=*=1,fused=0",
    "--config.data.text_views={'synthetic': {'kinds': 'fused=1'}}",
)


def entry(kind: str, weight: float, view: str) -> str:
    """Returns an objective's entry over one kind of captions."""
    settings: dict[str, object] = {"kind": kind, "weight": weight, "text_view": view}
    if kind == "distillation":
        stored = {
            "stored_images": ("rows_image",),
            "stored_texts": (f"rows_{view}",),
            "stored_widths": (128,),
        }
        settings |= {**stored, "scales": (20.0,), "divergence": "cross_entropy"}
    return f"--config.objectives.{kind}_{view}={settings}"


def learned(share: float, *views: str) -> Step:
    """Returns the student that learns from these captions, in a share from the stored teacher."""
    tables = {
        f"rows_{of}": {
            "path": f"{{rows}}/quickstart/{'image' if of == 'image' else 'text'}/*.parquet",
            "column": "embedding",
            "of": of,
        }
        for of in ("image", *views)
    }
    stored = ("--config.data.variants=4", f"--config.data.tables={tables}") if share else ()
    kinds = ("contrastive", "distillation") if share else ("contrastive",)
    weights = {"contrastive": 1.0 - share, "distillation": share}
    entries = [entry(kind, weights[kind], view) for kind in kinds for view in views]
    needs = {"captions": CAPTIONS, **({"rows": ROWS} if share else {})}
    return train(*SMALL, *KINDS, *stored, "--config.objectives.contrastive.weight=0.0", *entries, **needs)


CLAIM = Claim(
    title="MobileCLIP: reinforced data",
    arxiv="2311.17049",
    says="stored teachers and synthetic captions each help, and both together most (zero-shot ImageNet, from memory)",
    arms={
        "a small model on its captions": learned(0.0, "text"),
        "on synthetic ones, too": learned(0.0, "text", "synthetic"),
        "with stored rows": learned(0.75, "text"),
        "with stored rows of both": learned(0.75, "text", "synthetic"),
    },
)
