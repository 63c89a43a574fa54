"""What evaluators ask of a model and of data, and what the trainer asks of an evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from jaxtyping import Float, Float32, UInt8

from vlp.evaluation.exhibits import Exhibit

# One map for each image; a list of them where the images, at their own aspect ratio, have grids of their own.
Rows = Float32[np.ndarray, "n rows columns dim"] | list[np.ndarray]
Maps = Float32[np.ndarray, "n k rows columns"] | list[np.ndarray]


class Encoder(Protocol):
    """A model that turns any number of inputs into unit rows.

    It batches, pads and spreads over devices and hosts by itself, and returns one row per input, in order.
    """

    @property
    def logit_scale(self) -> float:
        """Returns what cosines are multiplied by before a softmax."""

    def encode_image_array(self, images: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n dim"]: ...

    def encode_patch_array(self, images: UInt8[np.ndarray, "n side side 3"]) -> Rows:
        """Returns a unit row for each patch; the images may have another side than those of an evaluation set."""

    def encode_text(self, texts: Sequence[str], *, prefix: str = "") -> Float32[np.ndarray, "n dim"]:
        """Encodes texts, with a prefix token before every one where the tokenizer has one of that name; '' is none."""

    def pixels(self) -> PixelPath:
        """Returns the way from pixels in [0, 1] to rows and back.

        Raises:
            ValueError: there are embeddings alone.
        """

    def scorer(self, name: str = "") -> Scorer:
        """Returns the part of that name, which scores images against texts; '' is the embeddings' cosines.

        Raises:
            ValueError: the model has no such part, or it scores nothing.
        """

    def composer(self, name: str) -> Composer:
        """Returns the part of that name, which searches for an image and a text together.

        Raises:
            ValueError: the model has no such part, or it composes nothing.
        """

    def captioner(self, name: str = "writer", beams: int = 1) -> Captioner:
        """Returns the part of that name, which writes about images, keeping so many texts at a time.

        Raises:
            ValueError: the model has no such part, or it writes nothing.
        """


class Captioner(Protocol):
    """Holds what writes texts about images: a part that an objective trained."""

    def write(self, images: UInt8[np.ndarray, "n h w 3"]) -> list[str]:
        """Returns a text for each image."""

    def likelihoods(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str]
    ) -> Float32[np.ndarray, "n 2"]:
        """Returns of each image's text the log-likelihood, and how many tokens it is the sum of."""


class PixelPath(Protocol):
    """Encodes images with values in [0, 1], and differentiates what comes of them."""

    def encode(self, pixels: Float[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n dim"]:
        """Returns unit rows."""

    def gradients(
        self, pixels: Float[np.ndarray, "n h w 3"], directions: Float[np.ndarray, "n dim"]
    ) -> Float32[np.ndarray, "n h w 3"]:
        """Returns the gradient of each image's row times its direction, by the image's values."""


class Composer(Protocol):
    """Holds what searches for an image and a text together: a part that an objective trained."""

    def compose(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n dim"]:
        """Returns a unit row for each image and its text."""

    def gallery(self, images: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n tokens dim"]:
        """Returns unit rows for each image, of which the nearest to a query counts."""


class Scorer(Protocol):
    """Holds what scores images against texts: the embeddings' cosines, or a part that an objective trained.

    Scores of one image compare with each other. Not every part can be asked everything: ValueError where it cannot.
    """

    def score(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n k"]:
        """Returns a score for each image and text."""

    def maps(self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = "") -> Maps:
        """Returns a score for each cell of a grid over the image, and text."""

    def regions(
        self,
        images: UInt8[np.ndarray, "n h w 3"],
        boxes: Float32[np.ndarray, "n regions 4"],
        texts: Sequence[str],
        *,
        prefix: str = "",
    ) -> Float32[np.ndarray, "n regions k"]:
        """Returns a score for each box, as left, top, right and bottom in [0, 1], and text."""


class Detector(Protocol):
    """Holds what finds boxes in images, and says how texts fit them."""

    def detect(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> tuple[Float32[np.ndarray, "n boxes 4"], Float32[np.ndarray, "n boxes k"]]:
        """Returns boxes, and a score for each of them and each text."""


class Relater(Protocol):
    """Holds what says what one region is to another."""

    def relate(
        self,
        images: UInt8[np.ndarray, "n h w 3"],
        boxes: Float32[np.ndarray, "n regions 4"],
        names: Sequence[Sequence[str]],
        texts: Sequence[str],
    ) -> Float32[np.ndarray, "n pairs k"]:
        """Returns a score of each text as a predicate for each ordered pair of boxes that show these names."""


class Region(Protocol):
    """A part of an image: where it is, as left, top, right and bottom in [0, 1], and what is known of it."""

    @property
    def box(self) -> tuple[float, float, float, float]: ...

    @property
    def text(self) -> str: ...

    @property
    def label(self) -> str: ...


class EvaluationSet(Protocol):
    """One evaluation set, whole and in a fixed order; every attribute has one entry per image.

    `images` must be the same array object at every access: a round remembers its embeddings by identity.
    """

    @property
    def images(self) -> UInt8[np.ndarray, "n h w 3"]: ...

    @property
    def ids(self) -> Sequence[str]: ...

    @property
    def captions(self) -> Sequence[Sequence[str]]:
        """Any number per image; an image without one is a retrieval candidate but asks nothing."""

    @property
    def translations(self) -> Mapping[str, Sequence[Sequence[str]]]:
        """The captions in each other language; `captions` are English, or of no language that is known."""

    @property
    def labels(self) -> Sequence[str]:
        """One per image, '' where there is none."""

    @property
    def tags(self) -> Sequence[Sequence[str]]: ...

    @property
    def slices(self) -> Mapping[str, Sequence[str]]:
        """Returns what else the data says of each image, by column; '' where it says nothing."""

    @property
    def regions(self) -> Sequence[Sequence[Region]]:
        """Returns the parts of each image that are known; of most sets, none."""

    @property
    def masks(self) -> UInt8[np.ndarray, "n h w"] | None:
        """Returns the class number of each pixel, 0 = none of `classes`, 255 = nobody knows; None in most sets."""

    @property
    def classes(self) -> Sequence[str]:
        """Returns what the numbers of masks mean, from 1 on."""

    @property
    def groups(self) -> Sequence[str]:
        """The concept that several images may show, '' where it is not known."""


class Evaluator(Protocol):
    """Figures of a model on some sets, named `<evaluator>/<set>/<figure>`.

    `every` is a period in steps (0 = never during training), `final` asks for a run after the last step. An
    evaluator inherits from this class and so need not have outcomes, remarks or exhibits. Those are asked for after the
    figures and of the same model, whose embeddings are remembered.
    """

    name: str
    reads: ClassVar[frozenset[str]] = frozenset({"image", "text"})  # towers, whatever it is told

    if TYPE_CHECKING:  # a property that is there would be taken for the default of a dataclass's field

        @property
        def data(self) -> Mapping[str, EvaluationSet]:
            """All sets there are, by name."""

        @property
        def every(self) -> int: ...

        @property
        def final(self) -> bool: ...

        @property
        def sets(self) -> Sequence[str]:
            """Names of the sets it measures on."""

    @classmethod
    def towers(cls, settings: Mapping[str, Any]) -> frozenset[str]:
        """Returns which towers of the model it reads with these settings of its entry."""
        del settings
        return cls.reads

    def check(self) -> None:
        """Refuses sets that lack what the figures are made of, such as captions or labels, before there is a model.

        Asks what chance levels ask: captions, labels, tags and files, no image. `check` of `vlp.evaluation.rounds`
        lets it see sets of which nothing is decoded.

        Raises:
            ValueError: names the set, and what it lacks.
        """
        self.chance()

    def __call__(self, model: Encoder) -> dict[str, float]: ...

    def chance(self) -> dict[str, float]:
        """Returns what a model that knows nothing is expected to reach, under the same names."""

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        """Returns, for figures that are means over queries, the value of each query, from which intervals are made."""
        return {}

    def remarks(self, model: Encoder) -> Sequence[str]:
        """Sentences that a reader of the figures should not miss, such as how a setting was chosen."""
        return ()

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        """Yields what a reader wants to see: the confusion of classes, queries with what they found, score maps."""
        return ()


@dataclass(frozen=True, kw_only=True)
class OnSets(Evaluator):
    """Holds what every evaluator is told; the defaults of it all stand in `configs.settings.evaluators`."""

    name: str
    data: Mapping[str, EvaluationSet]
    every: int
    final: bool
    sets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Asked(OnSets):
    """Makes each figure the mean of its outcomes, a value a question."""

    def __call__(self, model: Encoder) -> dict[str, float]:
        return {name: float(values.mean()) for name, values in self.outcomes(model).items()}
