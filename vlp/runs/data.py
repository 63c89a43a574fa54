"""The one place where jobs join the input pipeline to the trainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from input_pipeline.addresses import redacted
from input_pipeline.errors import UserError
from input_pipeline.evaluation_set import EvaluationSet, load_evaluation_set, reasons


def preprocessing_spec(config: Any) -> dict[str, Any]:
    """Returns how an image becomes pixels: one spec for training, evaluation, checkpoints and export."""
    image, tower = config.data.image, config.model.image
    spec = {
        "resolution": tower.resolution,
        "resize": image.resize,
        "mean": list(image.mean),
        "std": list(image.std),
    }
    if tower.get("patches", 0):
        spec |= {"patches": tower.patches, "patch_size": tower.patch_size}
    return spec


def check_classes(objectives: Mapping[str, Any], bounds: Mapping[str, tuple[int, int]]) -> None:
    """Refuses class numbers of side tables that an objective has no classes for; -1 is no class.

    Args:
      objectives: of the config; those concerned name a batch field `labels` and how many `classes` there are.
      bounds: the least and the greatest number of each side table, by its field.

    Raises:
      ValueError: says which table holds what, and how many classes there are.
    """
    for name, settings in objectives.items():
        field, classes = settings.get("labels"), settings.get("classes")
        if settings.weight > 0 and classes and field in bounds:
            low, high = bounds[field]
            if low < -1 or high >= classes:
                raise UserError(
                    f"data.tables.{field} holds class {high if high >= classes else low}, but "
                    f"objectives.{name}.classes={classes} are 0 to {classes - 1}: use the table that belongs to "
                    f"them, or set --config.objectives.{name}.classes={high + 1}"
                )


class EvaluationSets(Mapping[str, EvaluationSet]):
    """The config's evaluation sets by name, each loaded when it is first asked for."""

    def __init__(self, config: Any, preprocessing: Mapping[str, Any], *, decode: bool = True):
        """Remembers where the sets are; reads nothing yet.

        Args:
          config: with `data.evaluation`, and `data.max_bad_share` of records that cannot be used.
          preprocessing: of the model.
          decode: False is for a look at what is known of the images (see `described`).
        """
        self._config, self._preprocessing, self._decode = config, preprocessing, decode
        self._loaded: dict[str, EvaluationSet] = {}

    def described(self) -> EvaluationSets:
        """Returns the same sets with nothing decoded: captions, labels and tags of the images, before any is needed."""
        return EvaluationSets(self._config, self._preprocessing, decode=False)

    @property
    def skipped(self) -> dict[str, dict[str, int]]:
        """Returns how many records were left out, by reason, of each loaded set that is not whole."""
        return {name: reasons(one.skipped) for name, one in self._loaded.items() if one.skipped}

    @property
    def sizes(self) -> dict[str, int]:
        """Returns how many images each loaded set has."""
        return {name: len(one) for name, one in self._loaded.items()}

    @property
    def origins(self) -> dict[str, dict[str, Any]]:
        """Returns what says which data the loaded sets are, in plain values; addresses show no secrets."""
        return {name: self.origin(name) for name in self._loaded}

    def origin(self, name: str) -> dict[str, Any]:
        """Returns what says which data a set is; nothing is read."""
        entry = self._config.data.evaluation[name]
        kept = {key: entry[key] for key in ("format", "fraction", "keep_ids")}
        if entry.get("shots"):
            kept |= {key: entry[key] for key in ("shots", "shots_seed")}
        for beside in ("captions_by_id", "regions_by_id"):
            if entry.get(beside):
                kept[beside] = redacted(entry[beside])
        if entry.get("keep_labels"):
            kept["keep_labels"] = entry["keep_labels"]
        return {**kept, "path": redacted(entry["path"]), "columns": dict(entry["columns"])}

    def __getitem__(self, name: str) -> EvaluationSet:
        if name not in self._loaded:
            self._loaded[name] = load_evaluation_set(
                self._config.data.evaluation[name],
                self._preprocessing,
                name=f"'{name}' ({self._config.data.evaluation[name].path})",
                max_bad_share=self._config.data.max_bad_share,
                decode=self._decode,
            )
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._config.data.evaluation

    def __iter__(self) -> Iterator[str]:
        return iter(self._config.data.evaluation)

    def __len__(self) -> int:
        return len(self._config.data.evaluation)
