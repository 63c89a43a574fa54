"""What to do with a trained model: name pictures, search, probe, tune. Cells of a notebook, or `python FILE RUN`.

RUN is a workdir, such as `runs/quickstart`; where there is none, a tiny model is trained first, whose answers mean
little.
"""

# %%
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from sklearn.linear_model import LogisticRegression

import vlp

place = Path(tempfile.mkdtemp())
QUIET = {
    "batch_size": 32,
    "optimizer__schedule__warmup_steps": 1,
    "evaluators": {"retrieval": {"every": 0, "final": False}, "zero_shot": {"every": 0, "final": False}},
    "log__tensorboard": False,
}
run = sys.argv[1] if len(sys.argv) > 1 else str(place / "first")
if not Path(run).exists():
    tiny = {"model": {"image": {"depth": 1}, "text": {"depth": 1}}}
    vlp.train(vlp.config("configs/quickstart.py:runlocal", steps=4, **tiny, **QUIET), run)
model = vlp.load(run)

# %% Pictures with captions and categories: the project's own.
columns = ["image", "captions", "category"]
table = pq.read_table(vlp.ROOT / "data/quickstart/val.parquet", columns=columns).to_pylist()
pictures = [Image.open(io.BytesIO(row["image"])) for row in table]
labels = np.array([row["category"].partition("/")[0] for row in table])

# %% Encode them once, a batch at a time; a folder's path would do as well.
rows = model.encode_images(iter(pictures), progress=True)

# %% Name them without any training.
names = sorted({*labels})
answers = np.array(names)[model.zero_shot(pictures, names, templates=["a picture of {}"]).argmax(axis=1)]
print(f"zero-shot: {np.mean(answers == labels):.1%} of {len(names)} categories")

# %% Search them with words, and a place in a picture with a word.
cosines = model.similarity(pictures, ["a dog"])[:, 0]
print("most like a dog:", [table[at]["captions"][0] for at in np.argsort(-cosines)[:3]])
places = model.encode_patches(pictures[0])[0] @ model.encode_text(["a dog"])[0]
print("and where in the first picture:", np.unravel_index(places.argmax(), places.shape))

# %% Probe them: a classifier on rows that stay as they are.
train = np.arange(len(rows)) % 2 == 0
probe = LogisticRegression(C=100, max_iter=500).fit(rows[train], labels[train])
print(f"probe: {probe.score(rows[~train], labels[~train]):.1%} of the other half")

# %% Tune: go on from the weights with other data, another objective or another rate.
config = vlp.config(f"{run}/config.json", steps=4, checkpoint__start=run, **QUIET)
tuned = vlp.train(config, place / "tuned")
print(f"rows moved by {np.linalg.norm(tuned.encode_image(pictures[:8]) - rows[:8], axis=1).mean():.3f}")

# %% Keep what came of it, for vlp.load.
tuned.save(place / "kept")
assert np.allclose(
    vlp.load(place / "kept").encode_image(pictures[:2]), tuned.encode_image(pictures[:2]), atol=1e-6
)
