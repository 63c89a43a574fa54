"""Trains a tiny model, measures it, names pictures and searches them: cells of a notebook, or `python FILE [FOLDER]`.

The numbers are those of a model that has seen next to nothing, in half a minute; `python main.py` trains a better one.
"""

# %%
import io
import sys
import tempfile

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

import vlp

folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()

# %% A config is a file and what is other than in it; `python main.py --help` lists every setting.
config = vlp.config(
    "configs/quickstart.py:runlocal",
    steps=20,
    batch_size=64,
    model={"image": {"depth": 1}, "text": {"depth": 1}},
    optimizer__schedule__warmup_steps=5,
    evaluators={"retrieval": {"final": True, "sets": ("val",)}},
    log__tensorboard=False,
)

# %% Training: the same line again would go on where it was.
model = vlp.train(config, folder)

# %% Evaluation: with the evaluators of the config, or of any other.
figures = vlp.evaluate(model)
print(f"the right picture is among the first ten for {figures['retrieval/val/text_to_image/recall@10']:.1%}")

# %% Pictures from anywhere: files, arrays, bytes or PIL images. These are the project's own.
source = vlp.ROOT / "data/quickstart/val.parquet"
table = pq.read_table(source, columns=["image", "captions"]).slice(0, 50)
pictures = [Image.open(io.BytesIO(data)) for data in table["image"].to_pylist()]

# %% Zero-shot: classes by name alone.
names = ["fruit", "animal", "vehicle", "person"]
probabilities = model.zero_shot(pictures[:3], names, templates=["a picture of a {}"])
for row in probabilities:
    print({name: round(float(share), 3) for name, share in zip(names, row, strict=True)})

# %% Search: encode the pictures once, then ask with words.
rows = model.encode_image(pictures)
scores = model.encode_text(["a dog"]) @ rows.T
for place in np.argsort(-scores[0])[:3]:
    print(f"{scores[0, place]:.3f}", table["captions"][int(place)].as_py()[0])

# %% What was trained is a folder that loads anywhere.
assert np.allclose(vlp.load(folder).encode_image(pictures[:2]), rows[:2], atol=1e-5)
