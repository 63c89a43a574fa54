"""What is asked of a kind of tower before it is built, or without building it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pkgutil import resolve_name
from typing import Any, ClassVar

Unseen = Mapping[str, Collection[str]]  # names of settings by a group of arrays

# What an objective may ask of a tower, in the words that follow 'needs'.
ABILITIES = {
    "hidden_patches": "an image tower with a grid of patches, any of which can be hidden",
    "layers": "an image tower of blocks, whose attention can be watched and each of which takes prompts",
    "soft_tokens": "a text tower that takes vectors in the places of tokens",
}


class Family:
    """Answers for one kind of tower what configuration, planning and FLOP counts ask; loads no jax.

    A kind from outside is a class like this one, named by its address: `kind="package.module:Class"`.

    Attributes:
      tower: the class that is built, as 'module:Class'. It is called as `tower(settings, compute=, rngs=)`, of a text
        also with `vocabulary_size=` and `length=`, and has `width`. An image tower maps (pixels, key) to a
        `TowerOutput` and has `patches(pixels)`; a text tower maps (ids, mask).
      optional: settings that not every kind has, and this one does. The others stay as they are (`OFF`).
      abilities: of `ABILITIES`, those that it has; of images, those of `vlp.models.vision.VisionTransformer`.
      unseen: settings that change what the tower makes of the same arrays, and that no shape of these shows, by the
        group of arrays that they are of: a run that starts from a model needs them as they are there.
      begins: settings of what arrays begin as, by the setting that says whether there are any: without effect where a
        checkpoint brings the arrays.
    """

    tower: ClassVar[str]
    optional: ClassVar[Collection[str]] = ()
    abilities: ClassVar[Collection[str]] = ()
    unseen: ClassVar[Unseen] = {}
    begins: ClassVar[Mapping[str, str]] = {}

    def build(self, settings: Any, **options: Any) -> Any:
        """Builds the tower: imports its module, and with it jax.

        Args:
          settings: `model.image` or `model.text` of the config.
          **options: what the tower's class takes beside them.
        """
        return resolve_name(self.tower)(settings, **options)

    def meaningful(self, settings: Any) -> Collection[str]:
        """Returns the optional settings that have a meaning beside the others."""
        del settings
        return self.optional

    def lacks(self, settings: Any, ability: str) -> str:
        """Returns the name of the setting that keeps an ability from the tower; '' where it has it.

        Args:
          settings: of the tower.
          ability: of `ABILITIES`.
        """
        del settings
        return "" if ability in self.abilities else "kind"

    def check(self, settings: Any, where: str) -> None:
        """Refuses settings that contradict each other.

        Args:
          settings: of the tower.
          where: the group they stand in, to begin a message with.

        Raises:
          ValueError: in the words of the user's settings.
        """

    def check_view(self, settings: Any, resolution: int, where: str) -> None:
        """Refuses images of a side that the tower cannot take, beside those of its own resolution.

        Args:
          settings: of the tower.
          resolution: of the view; 0 = the tower's own.
          where: the setting that says so.

        Raises:
          ValueError: what would fit.
        """

    def arrays(self, settings: Any, resolution: int) -> Mapping[str, tuple[tuple[int, ...], str]]:
        """Returns the batch fields that a view of images consists of: shape of a row and type, by what each has behind
        the view's name.

        Args:
          settings: of the tower.
          resolution: of the view.
        """
        del settings
        return {"": ((resolution, resolution, 3), "uint8")}

    def forward_flops(self, settings: Any, inputs: int, embed_dim: int) -> int:
        """Counts the forward FLOPs of one example in training: products and convolutions, and a linear projection.

        Args:
          settings: of the tower.
          inputs: the side of an image, or the length of a text.
          embed_dim: width of the joint space.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what its tower costs")

    def rows(self, settings: Any, inputs: int, path: str) -> int:
        """Counts the rows that a linear layer sees of one example, for what an adapter of it costs.

        Args:
          settings: of the tower.
          inputs: the side of an image, or the length of a text.
          path: of the layer, slash-joined, within the tower.
        """
        del settings, inputs, path
        return 1

    def split(self, settings: Any) -> Mapping[str, int]:
        """Returns what the mesh's model axis splits: names of settings, and how many there are."""
        del settings
        return {}

    def head_size(self, settings: Any) -> int:
        """Returns the numbers in a head of its attention; 0 where no fused kernel could serve it."""
        del settings
        return 0
