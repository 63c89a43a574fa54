"""Which config makes which field of a batch; only what is asked for is built."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.fields import (
    HOST_FIELDS,
    IDENTITIES,
    Field,
    Identity,
    Image,
    ImageViews,
    RecordNumber,
    Shapes,
    SourceId,
    Text,
    TextViews,
)
from input_pipeline.foil_fields import Foils, check_foils, foil_settings
from input_pipeline.guests import Guest, GuestField
from input_pipeline.label_fields import LabelNumbers, LabelStates, Vocabulary, load_vocabulary
from input_pipeline.region_fields import RegionBoxes, RegionLabels, RegionTexts, ShownRegions
from input_pipeline.table_fields import table_field
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.frames import GRID
from input_pipeline.views.image import TrainingView
from input_pipeline.views.text import TextView

Offer = tuple[tuple[str, ...], Callable[[], Field]]
"""What can be delivered: the names of a field's arrays, and how to build it."""

_NOT_OF_A_VIEW = ("mean", "std")  # the device normalises all views alike


@dataclass(frozen=True)
class Catalogue:
    """Holds what a config can deliver.

    Attributes:
      data: the config's `data` section.
      preprocessing: of the model.
      tokenizer: of the model.
      places: number of each source in use.
      guests: models beside it, whose fields are those of the catalogue as NAME/field.
      first: number of each source's first record, where all are counted through.
    """

    data: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    tokenizer: Tokenizer
    places: Mapping[str, int]
    guests: Mapping[str, Guest] = field(default_factory=dict)
    first: Mapping[str, int] = field(default_factory=dict)

    def build(self, wanted: Sequence[str]) -> list[Field]:
        """Returns the fields that deliver the wanted arrays.

        Raises:
          ValueError: a name that nothing delivers or that two things deliver, or settings out of their range.
        """
        offers = self._offers()
        known = [name for names, _ in offers for name in names]
        for name in known:
            if known.count(name) > 1 or name in HOST_FIELDS:
                raise UserError(
                    f"data: '{name}' is a batch field of its own: give the view or table of that name another"
                )
        for name in wanted:
            if name not in known:
                raise UserError(_undeliverable(name, known))
            if name.startswith("region_"):
                self._check_boxes()
        return [build() for names, build in offers if set(names) & set(wanted)]

    def shapes(self) -> Shapes:
        """Returns what the arrays of every field look like that the config can deliver; no record is read.

        Raises:
          ValueError: settings out of their range, or a table that cannot be read.
        """
        shapes: Shapes = {}
        for _, build in self._offers():
            shapes |= build().shapes()
        return shapes

    def _offers(self) -> list[Offer]:
        """In the order in which a record is asked: what is cheap and may be missing first, the pictures last."""
        return [
            (("text", "text_mask"), self._text),
            *((_with_mask(name), partial(self._text_views, name)) for name in self._named("text_views")),
            *(((name,), partial(Identity, name)) for name in IDENTITIES),
            (("source_id",), partial(SourceId, self.places)),
            (("record_number",), partial(RecordNumber, self.first)),
            *(((name,), partial(self._table, name)) for name in self._named("tables")),
            *(offer for name in self._named("labels") for offer in self._labels(name)),
            (("region_boxes", "region_mask"), lambda: RegionBoxes(self._regions())),
            (
                ("region_text", "region_text_mask"),
                lambda: RegionTexts(self._regions(), self.tokenizer),
            ),
            (self._with_grid("image"), self._image),
            *(
                (self._with_grid(name), partial(self._image_views, name))
                for name in self._named("image_views")
            ),
            *(offer for name, guest in self.guests.items() for offer in self._offers_to(name, guest)),
        ]

    def _offers_to(self, name: str, guest: Guest) -> list[Offer]:
        """Texts and pictures as a guest reads them."""
        prefixless = {key: {**entry, "prefix_token": ""} for key, entry in self.data["sources"].items()}
        resize = guest.preprocessing["resize"]
        views = {
            key: {option: value for option, value in view.items() if option not in ("resolution", "resize")}
            for key, view in self._named("image_views").items()
        }
        own = replace(
            self,
            data={
                **self.data,
                "sources": prefixless,
                "image": {**self.data["image"], "resize": resize},
                "image_views": views,
            },
            preprocessing=guest.preprocessing,
            tokenizer=guest.tokenizer,
            guests={},
        )
        read = {"text", "image", *self._named("text_views"), *views}  # by towers
        return [
            (tuple(f"{name}/{one}" for one in names), partial(_build_for, name, build))
            for names, build in own._offers()
            if names[0] in read
        ]

    def _with_grid(self, name: str) -> tuple[str, ...]:
        """The names of a view's arrays: of patches, rows and columns are one of their own."""
        return (name, f"{name}{GRID}") if self.preprocessing.get("patches") else (name,)

    def _named(self, group: str) -> dict[str, Mapping[str, Any]]:
        return dict(self.data.get(group, {}))

    def _text(self) -> Field:
        return Text(self.tokenizer, self._prefixes())

    def _text_views(self, name: str) -> Field:
        where, entry = f"data.text_views.{name}", self._named("text_views")[name]
        settings, count = _overridden(where, entry, {**self.data["text"], "foils": "", "confusable": ""})
        foils, prefixes = foil_settings(settings), self._prefixes()
        texts = self.texts(settings)
        if not any(foils.values()):
            return TextViews(name, texts, count, self.tokenizer, prefixes)
        check_foils(**foils, where=where)
        return Foils(name, texts, count, self.tokenizer, prefixes, **foils)

    def texts(self, settings: Mapping[str, Any]) -> dict[str, TextView]:
        """Returns how captions are chosen, by source, from settings like those of `data.text`."""
        return {name: TextView.of_source(dict(settings), self.data["sources"][name]) for name in self.places}

    def _prefixes(self) -> dict[str, str]:
        return {name: self.data["sources"][name].get("prefix_token", "") for name in self.places}

    def _table(self, name: str) -> Field:
        texts = {view: partial(self._text_views, view) for view in self._named("text_views")}
        return table_field(name, self.data, texts)

    def _labels(self, name: str) -> list[Offer]:
        def build(kind: Callable[[Vocabulary], Field]) -> Field:
            return kind(load_vocabulary(name, self._named("labels")[name], self.data["sources"]))

        return [
            ((name,), partial(build, LabelStates)),
            ((f"{name}_ids",), partial(build, LabelNumbers)),
            ((f"region_{name}",), lambda: build(partial(RegionLabels, self._regions()))),
        ]

    def _regions(self) -> ShownRegions:
        return ShownRegions(self._view(), int(self.data.get("regions", {}).get("most", 1)))

    def _check_boxes(self) -> None:
        """Refuses views of which nobody knows where a box is."""
        still = (0.0, 0.0, 1.0, 1.0)
        if tuple(moves := self.data["image"].get("affine", still)) != still:
            raise UserError(
                f"data.image.affine={moves} moves what regions show away from their boxes: set it to (0, 0, 1, 1), or "
                "leave out the objectives that read regions"
            )

    def _view(self) -> TrainingView:
        return TrainingView.build(self.preprocessing, self.data["image"])

    def _image(self) -> Field:
        return Image(self._view())

    def _image_views(self, name: str) -> Field:
        base = {key: value for key, value in dict(self.data["image"]).items() if key not in _NOT_OF_A_VIEW}
        base = {"resize": self.preprocessing["resize"], **base, "resolution": 0}
        settings, count = _overridden(f"data.image_views.{name}", self._named("image_views")[name], base)
        resolution = settings["resolution"] or self.preprocessing["resolution"]
        spec = {**self.preprocessing, "resize": settings["resize"], "resolution": resolution}
        return ImageViews(name, TrainingView.build(spec, settings), count)


def _build_for(guest: str, build: Callable[[], Field]) -> Field:
    return GuestField(guest, build())


def _with_mask(name: str) -> tuple[str, str]:
    return name, f"{name}_mask"


def _overridden(where: str, entry: Mapping[str, Any], base: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The settings of a view, and how many of it there are."""
    for key in entry:
        if key not in {*base, "count"}:
            raise UserError(f"{where}: '{key}' is not one of {', '.join(sorted({*base, 'count'}))}")
    settings = {"count": 1, **base, **dict(entry)}
    count = settings.pop("count")
    if count < 1:
        raise UserError(f"{where}.count={count} must be at least 1")
    return settings, count


def _undeliverable(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    view = name.removesuffix("_mask")
    return (
        f"the active objectives need '{name}', which the data does not deliver"
        + (f" (did you mean '{near[0]}'?)" if near else "")
        + f"; there are {', '.join(known)}. Add an image view as data.image_views.{view}={{'count': 2}}, captions as "
        f"data.text_views.{view}={{'count': 2}}, or values by record id as data.tables.{view}={{'path': ...}}"
    )
