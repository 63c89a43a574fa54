"""Retrieval for an image and a text together: where it starts, and what is looked at."""

from benchmarks.claims import SET, Figure, train

START = train(seed=0, times=2)
_RECALL = "composed_retrieval/" + SET + "/{}recall@10"
COMPOSED = {
    "composed R@10": Figure(_RECALL.format("")),
    "sum": Figure(_RECALL.format("sum/")),
    "image alone": Figure(_RECALL.format("image_only/")),
    "text alone": Figure(_RECALL.format("text_only/")),
}
