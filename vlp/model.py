"""A trained model as its users meet it: images and captions in, unit vectors and probabilities out."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Float, Float32, PyTree, Shaped, UInt8

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.frames import names_of, parts_of
from input_pipeline.views.image import EvaluationView
from vlp.encoding import encoding
from vlp.evaluation.protocols import Scorer
from vlp.keeping import encoded_in_batches, pictures_below, save_towers
from vlp.models.context import unknown_text
from vlp.models.dual_encoder import DualEncoder
from vlp.models.families import TOWERS
from vlp.parallel.sharding import batch_sharding, replicated
from vlp.parts import Part, Parts
from vlp.pixels import PixelPath, laid_out, pixel_functions
from vlp.prompting import class_probabilities, class_prompts, no_context, strings
from vlp.scoring import Composer, Cosines, PartScorer, composing, scoring
from vlp.writing import Captioner, writing

IN_FLIGHT = 2  # batches that the devices have, beside the one whose rows are fetched
Image = Any  # a PIL image, an array, a path, encoded bytes, or an open file of these


class Model:
    """Two towers with the tokenizer and the preprocessing they were trained with.

    Threads may share one: nothing of it changes but what is compiled, which two may do at once, to the same end.

    Attributes:
      config: the resolved config of the run that trained it.
      preprocessing: resolution, resize mode, mean and std; the same in training, evaluation and export.
      tokenizer: strings to token ids.
    """

    def __init__(
        self,
        graphdef: nnx.GraphDef[DualEncoder],
        variables: PyTree,
        *,
        config: Any,
        preprocessing: dict[str, Any],
        tokenizer: Tokenizer,
        batch_size: int = 256,
        mesh: Mesh | None = None,
        parts: Callable[[], Parts] = lambda: Parts({}),
    ):
        """Wraps the towers; `vlp.load` is the usual way here.

        Args:
          graphdef: structure of a DualEncoder.
          variables: its variables as a nested dict, parameters or their running mean.
          config: of the training run.
          preprocessing: what `input_pipeline.views.image.EvaluationView` takes.
          tokenizer: of the text tower.
          batch_size: rows encoded at once; longer inputs are cut, shorter ones padded to a power of two.
          mesh: devices to spread each batch over; None runs on the default device.
          parts: gets what objectives learned beside the towers, when it is first asked for.
        """
        self.config, self.preprocessing, self.tokenizer = config, preprocessing, tokenizer
        self._variables, self._batch_size, self._mesh = variables, batch_size, mesh
        self._view = EvaluationView(preprocessing)
        self._encoders = jax.tree.map(_jit(mesh), encoding(graphdef, preprocessing))
        self._graphdef, self._parts = graphdef, parts
        self._compiled = dict[tuple[Any, ...], Any]()

    def require(self, towers: Iterable[str], who: str = "this") -> None:
        """Refuses what needs a tower that the model does not have.

        Args:
          towers: of 'image' and 'text'.
          who: needs them.

        Raises:
          ValueError: names both.
        """
        for tower in towers:
            if tower not in self._variables:
                raise UserError(
                    f"{who} needs a {tower} tower, and the model has none: nothing in the run that trained it read "
                    f"{tower}s"
                )

    @property
    def towers(self) -> tuple[str, ...]:
        """Returns which towers there are, of 'image' and 'text'."""
        return tuple(tower for tower in TOWERS if tower in self._variables)

    def with_variables(self, variables: PyTree, parts: Callable[[], Parts] | None = None) -> Model:
        """Returns the same model with other weights, and other parts if any; what is compiled stays compiled."""
        clone = object.__new__(Model)
        own = {name: value for name, value in vars(self).items() if name != "parts"}
        clone.__dict__.update(own, _variables=variables, _parts=parts or self._parts)
        return clone

    @functools.cached_property
    def parts(self) -> Parts:
        """Returns what objectives learned and kept, such as a decoder: modules by 'entry/part' or 'part', to be called.

        Raises:
          ConfigError: an objective of another package is not installed here.
        """
        return self._parts()

    def scorer(self, name: str = "") -> Scorer:
        """Returns what scores images against texts: the part `name`, or the cosines of the embeddings where that is ''.

        Raises:
          ValueError: the model has no such part, or it scores nothing.
        """
        if not name:
            return Cosines(self, self._view.frame)
        self.parts.find(name)

        def ask(method: str, texts: dict[str, np.ndarray], **fields: np.ndarray) -> np.ndarray:
            part, compiled = self._compiled_part(name, scoring, method, names_of(fields))
            return self._by_part(part, functools.partial(compiled, texts=texts), *fields.values())

        return PartScorer(self, ask)

    def composer(self, name: str) -> Composer:
        """Returns what searches for an image and a text together: the part `name`.

        Raises:
          ValueError: the model has no such part, or it composes nothing.
        """
        part, functions = self._compiled_part(name, composing)
        return Composer(self, *(functools.partial(self._by_part, part, one) for one in functions))

    def _by_part(self, part: Part, compiled: Callable[..., Array], *inputs: np.ndarray) -> np.ndarray:
        def start(*block: np.ndarray) -> Array:
            return compiled(self._variables, part.variables, *(self._padded(rows, 0) for rows in block))

        return self._by_blocks(start, *inputs)

    def _compiled_part(self, name: str, build: Callable[..., Any], *more: Any) -> tuple[Part, Any]:
        """A part, and the function that `build` makes of it, or several, compiled once."""
        part, key = self.parts.find(name), (build.__name__, name, *more)
        if key not in self._compiled:
            functions = build(self._graphdef, part, name, self.preprocessing, *more)
            self._compiled[key] = jax.tree.map(_jit(self._mesh), functions)
        return part, self._compiled[key]

    def captioner(self, name: str = "writer", beams: int = 1) -> Captioner:
        """Returns what writes about images, keeping so many texts at a time: the part `name`.

        Raises:
          ValueError: the model has no such part, or it writes nothing.
        """
        part, functions = self._compiled_part(name, writing, self.tokenizer.special, beams)
        return Captioner(self.tokenizer, *(functools.partial(self._by_part, part, one) for one in functions))

    def caption(self, images: Image | Sequence[Image], *, part: str = "writer", beams: int = 1) -> list[str]:
        """Returns the text that a part, such as a captioner's, writes for each image: see `writing`.

        Args:
          images: one or a list, as for `encode_image`.
          part: what writes.
          beams: texts that are kept at a time; 1 = the likeliest token is taken each time.

        Raises:
          ValueError: the model has no such part, or an image cannot be read.
        """
        return self.captioner(part, beams).write(self._view.load(images))

    @property
    def logit_scale(self) -> float:
        """Returns what cosines are multiplied by before a softmax."""
        return float(np.exp(jax.device_get(self._variables["logit_scale"])))

    @property
    def has_bias(self) -> bool:
        """Tells whether the scores have a learned bias: the mark of a model that was trained by a sigmoid."""
        return "logit_bias" in self._variables

    @property
    def has_context(self) -> bool:
        """Tells whether every text is read with learned tokens around it: a text is a name then, as in '{}.'."""
        return "context" in self._variables.get("text", {})

    @property
    def logit_bias(self) -> float:
        """Returns what is added to scaled cosines before a sigmoid; 0 where the model has none."""
        return float(jax.device_get(self._variables["logit_bias"])) if self.has_bias else 0.0

    def encode_image(self, images: Image | Sequence[Image]) -> Float32[np.ndarray, "n embed_dim"]:
        """Gives unit rows for one image or several: PIL images, arrays [h, w, 3] or [h, w], paths, bytes or open files.

        Raises:
          ValueError: an image cannot be read; the message says which and why.
        """
        return self.encode_image_array(self._view.load(images))

    def encode_image_array(
        self, images: UInt8[np.ndarray, "n height width 3"]
    ) -> Float32[np.ndarray, "n embed_dim"]:
        """Encodes uint8 images that already have the model's resolution, or are records of patches, as unit rows."""
        return self._encode("image", images)

    def encode_patches(
        self, images: Image | Sequence[Image]
    ) -> Float32[np.ndarray, "n rows columns embed_dim"] | list[np.ndarray]:
        """Encodes each patch of each image as a unit row; times a text's row, a map of how well it fits where. Of
        images at their own aspect ratio, a list of such maps."""
        return self.encode_patch_array(self._view.load(images))

    def encode_patch_array(
        self, images: UInt8[np.ndarray, "n side side 3"]
    ) -> Float32[np.ndarray, "n rows columns embed_dim"] | list[np.ndarray]:
        """Encodes patches of uint8 images of the model's resolution or another, for which positions are resampled."""
        return laid_out(functools.partial(self._encode, "patches"), images)

    def encode_pixels(
        self, pixels: Float[np.ndarray, "n height width 3"]
    ) -> Float32[np.ndarray, "n embed_dim"]:
        """Encodes pixels that are normalised already as unit rows."""
        return self._encode("pixels", np.asarray(pixels, np.float32))

    def pixels(self) -> PixelPath:
        """Returns the way from pixels in [0, 1] to rows and back, by which images are attacked and explained."""
        self.require(["image"], "a gradient by pixels")
        if ("pixels", "") not in self._compiled:
            functions = pixel_functions(self._graphdef, self.preprocessing)
            self._compiled["pixels", ""] = jax.tree.map(_jit(self._mesh), functions)
        return PixelPath(*(functools.partial(self._from_pixels, one) for one in self._compiled["pixels", ""]))

    def _from_pixels(self, compiled: Callable[..., Array], *inputs: np.ndarray) -> np.ndarray:
        def start(*block: np.ndarray) -> Array:
            return compiled(self._variables, *(self._padded(rows, 0) for rows in block))

        return self._by_blocks(start, *inputs)

    def encode_text(
        self, texts: str | Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n embed_dim"]:
        """Gives unit rows for one string or several.

        Args:
          texts: what is too long is cut.
          prefix: the name of a prefix token, put before every text; '' is none.

        Raises:
          ValueError: a text is no string, the model's tokenizer has no such prefix token, or every class has learned a
            context of its own and the text is none of theirs.
        """
        rows = strings(texts, "texts")
        ids, mask = self.tokenizer.encode(rows, [prefix] * len(rows) if prefix else None)
        return self._encode("text", ids, mask)

    def encode_tokens(
        self, texts: str | Sequence[str], *, prefix: str = ""
    ) -> list[Float32[np.ndarray, "tokens embed_dim"]]:
        """Gives unit rows for each token of each text, without padding; times a patch's row, which word lies where.

        Args:
          texts: one or several, as for `encode_text`.
          prefix: the name of a prefix token; '' is none.

        Raises:
          ValueError: as `encode_text`.
        """
        rows = strings(texts, "texts")
        ids, mask = self.tokenizer.encode(rows, [prefix] * len(rows) if prefix else None)
        tokens = self._encode("tokens", ids, mask)
        return [own[kept] for own, kept in zip(tokens, np.asarray(mask, bool), strict=True)]

    def similarity(
        self, images: Image | Sequence[Image], texts: str | Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "images texts"]:
        """Returns the cosine of every image and every text."""
        return self.encode_image(images) @ self.encode_text(texts, prefix=prefix).T

    def encode_images(
        self, images: str | Path | Iterable[Image], *, progress: bool = False
    ) -> Float32[np.ndarray, "n embed_dim"]:
        """Gives unit rows for any number of images, of which a batch at a time is held.

        Args:
          images: a folder, whose pictures are taken in the order of their names, those in folders below too; or
            anything that yields images, such as a generator.
          progress: show a bar.

        Raises:
          ValueError: a folder without pictures, or an image that cannot be read.
        """
        given = pictures_below(Path(images)) if isinstance(images, str | Path) else images
        return encoded_in_batches(self, given, self._batch_size, progress)

    def save(self, path: str | Path) -> None:
        """Writes the towers, the tokenizer and the preprocessing into a folder that `vlp.load` reads; no other parts.

        Raises:
          ValueError: the folder holds a checkpoint already.
        """
        save_towers(self, self._variables, Path(path).expanduser())

    def zero_shot(
        self,
        images: Image | Sequence[Image],
        class_names: str | Sequence[str],
        templates: str | Sequence[str] | None = None,
    ) -> Float32[np.ndarray, "n classes"]:
        """Gives probabilities of classes known by their names alone.

        They are the model's own: of one that was trained by a softmax, that over the classes, whose sum is 1; of one
        with a bias, which a sigmoid asks for, the sigmoid of each class by itself (SigLIP, arXiv:2303.15343).

        Args:
          images: as in `encode_image`.
          class_names: put into every template; a class is the normalised mean of its templates' unit vectors. A string
            is one class.
          templates: strings with a `{}`; a string is one template. None = "a photo of a {}.", or "{}." in a model that
            has learned what stands around names.

        Raises:
          ValueError: there is no class or no template, one is no string, or a template has no `{}`.
        """
        names = strings(class_names, "class_names")
        plain = "{}." if self.has_context else "a photo of a {}."
        prompts = class_prompts(names, plain if templates is None else templates)
        rows = self.encode_text([text for own in prompts for text in own])
        rows = rows.reshape(len(names), len(prompts[0]), -1).mean(axis=1)
        classes = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        logits = self.logit_scale * self.encode_image(images) @ classes.T + self.logit_bias
        return class_probabilities(logits, each_by_itself=self.has_bias)

    def _encode(
        self, kind: str, *inputs: Shaped[np.ndarray, "n ..."]
    ) -> Float32[np.ndarray, "n *patches embed_dim"]:
        count = len(inputs[0])
        if not count:
            patches = (0,) if kind in ("patches", "tokens") else ()
            return np.zeros((0, *patches, self.config.model.embed_dim), np.float32)
        return self._by_blocks(lambda *block: self.start(kind, *block), *inputs)

    def _by_blocks(
        self, start: Callable[..., Array], *inputs: Shaped[np.ndarray, "n ..."]
    ) -> Float32[np.ndarray, "n ..."]:
        """Rows of `start(*block)` for blocks of the inputs, of which a few are under way at a time."""
        started: deque[tuple[int, Array]] = deque()
        done: list[np.ndarray] = []
        for first in range(0, len(inputs[0]), self._batch_size):
            block = parts_of(*(rows[first : first + self._batch_size] for rows in inputs))
            started.append((len(block[0]), start(*block)))
            if len(started) > IN_FLIGHT:
                done.append(_fetched(*started.popleft()))
        return np.concatenate([*done, *(_fetched(*one) for one in started)])

    def start(
        self, kind: str, *inputs: Shaped[np.ndarray, "n ..."], size: int = 0
    ) -> Float32[Array, "size *patches embed_dim"]:
        """Sets the devices to work on some rows and waits for nothing: what is returned may not be there yet.

        Args:
          kind: 'image' (uint8 images, or patches and their grid), 'pixels', 'patches', or 'text' and 'tokens' (token
            ids and their mask).
          inputs: what the kind takes; at least one row.
          size: rows of the result, of which those after the n-th mean nothing; 0 is the next power of two, or a whole
            batch where that is less. A mesh may ask for more: for a multiple of its devices.
        """
        texts = kind in ("text", "tokens")
        self.require(["text" if texts else "image"])
        if texts and (at := unknown_text(self._variables, inputs[0])) >= 0:
            raise UserError(no_context(self.tokenizer.decode(inputs[0][at]), self.config.model.text))
        return self._encoders[kind](self._variables, *(self._padded(rows, size) for rows in inputs))

    def _padded(self, rows: Shaped[np.ndarray, "n ..."], size: int) -> Shaped[Array, "padded ..."]:
        """Rows up to a size (and the mesh's multiple), so that few shapes are ever compiled."""
        size = size or max(len(rows), min(1 << (len(rows) - 1).bit_length(), self._batch_size))
        if self._mesh is not None:
            size = -(-size // self._mesh.size) * self._mesh.size
        if size > len(rows):
            rows = np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), axis=0)])
        return jax.device_put(rows, None if self._mesh is None else batch_sharding(self._mesh))


def _fetched(count: int, rows: Float32[Array, "size ..."]) -> Float32[np.ndarray, "count ..."]:
    """The rows that inputs have, on the host, without those that only fill the batch."""
    return np.asarray(jax.device_get(rows))[:count]


def _jit(mesh: Mesh | None) -> Callable[..., Any]:
    return jax.jit if mesh is None else functools.partial(jax.jit, out_shardings=replicated(mesh))
