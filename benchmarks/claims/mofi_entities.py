"""Entities by class, by name and description, and both: configs/mofi.py with what configs/curate/mofi.py finds."""

from benchmarks.claims import FIGURES, SET, Claim, Figure, job, on, train
from benchmarks.claims._labels import ALONE
from benchmarks.claims._shared import embedded_with

CONFIG = "--config=configs/curate/mofi.py"
GAZETTEER = "--config.curation.entities.gazetteer={described}/descriptions.json"
DESCRIBED = job("describe", CONFIG, "--output={folder}/descriptions.json")
ENTITIES = job(
    *("curate", CONFIG, GAZETTEER, "--output={folder}", "--config.curate.embeddings={embedded}"),
    "--config.curation.entities.threshold=-1",
    described=DESCRIBED,
    embedded=embedded_with(CONFIG, train(seed=0), GAZETTEER, described=DESCRIBED),
)
FLAGS = (
    "--config.data.sources.quickstart.keep_ids={entities}/kept.txt",
    "--config.data.sources.quickstart.captions_by_id={entities}/texts.jsonl",
    "--config.data.text.kinds=entity=1",
    "--config.data.tables={'entity_id': {'path': '{entities}/scores.parquet', 'column': 'entities_entity_id'}}",
    "--config.evaluators.image_retrieval.final=True",
    f"--config.evaluators.image_retrieval.sets={SET}",
)
CLASSES = on(
    "discrimination", kernel="softmax", labels="entity_id", classes=2010, rate=1.0, scale=14.3, margin=0.0
)
TEXTS = "--config.objectives.contrastive.targets=text"
CLAIM = Claim(
    title="MOFI: entities found in captions, as classes and as texts",
    arxiv="2306.07952",
    says="images of one kind are found best by both tasks together: 86.7 on GPR1200, 72.2 by CLIP",
    arms={
        "names and descriptions": train(TEXTS, *FLAGS, entities=ENTITIES),
        "classes": train(*ALONE, *CLASSES, *FLAGS, entities=ENTITIES),
        "both": train(TEXTS, *CLASSES, *FLAGS, entities=ENTITIES),
    },
    figures={
        "image retrieval, mAP": Figure(f"image_retrieval/{SET}/mean_average_precision"),
        **FIGURES,
    },
)
