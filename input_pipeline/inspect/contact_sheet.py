"""Records and what training shows of them, as one picture: a row for each record, visits beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from input_pipeline.decode import decode_image
from input_pipeline.inspect.visits import Row, Visit
from input_pipeline.records import Reason

TILE, GAP, LINE = 192, 12, 17  # pixels
_LINES = 4  # of a caption
_HEAD, _FOOT = LINE + 8, _LINES * LINE + 10
_INK, _FAINT, _WARNING, _PAPER, _FRAME = "#202124", "#70757a", "#c5221f", "white", "#dadce0"


def contact_sheet(rows: Sequence[Row], title: str) -> Image.Image:
    """Draws the originals in the first column and the visits in the others, each over its text.

    Args:
      rows: all with the same number of visits, one at least.
      title: a line to put above.
    """
    columns = 1 + len(rows[0].visits)
    width = GAP + columns * (TILE + GAP)
    step = _HEAD + TILE + _FOOT + GAP
    sheet = Image.new("RGB", (width, 2 * GAP + 2 * LINE + len(rows) * step), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), _fit(draw, title, _font(15), width - 2 * GAP), _INK, _font(15))
    for column in range(columns):
        name = f"visit {column}: what the model sees" if column else "as stored"
        place = (GAP + column * (TILE + GAP), GAP + LINE + 6)
        draw.text(place, _fit(draw, name, _font(12), TILE), _FAINT, _font(12))
    for number, row in enumerate(rows):
        _draw_row(sheet, draw, row, 2 * GAP + 2 * LINE + number * step)
    return sheet


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    draw.line((GAP, top, sheet.width - GAP, top), _FRAME)
    head = f"{row.source} / record {row.number} / {row.record.id}"
    draw.text((GAP, top + 5), _fit(draw, head, _font(12), sheet.width - 2 * GAP), _INK, _font(12))
    top += _HEAD
    original = Image.fromarray(decode_image(row.record.image or b""))
    _paste(sheet, draw, original, GAP, top)
    languages = sorted({caption.language or "?" for caption in row.record.captions})
    about = [
        f"{original.width} x {original.height} px",
        f"{len(row.record.captions)} captions ({', '.join(languages)})" if languages else "no captions",
        *([f"label: {row.record.label}"] if row.record.label else []),
        *([f"tags: {', '.join(row.record.tags)}"] if row.record.tags else []),
    ]
    for line, text in enumerate(about[:_LINES]):
        place = (GAP, top + TILE + 5 + line * LINE)
        draw.text(place, _fit(draw, text, _font(12), TILE), _FAINT, _font(12))
    for column, visit in enumerate(row.visits, start=1):
        _draw_visit(sheet, draw, visit, GAP + column * (TILE + GAP), top)


def _draw_visit(sheet: Image.Image, draw: ImageDraw.ImageDraw, visit: Visit, left: int, top: int) -> None:
    _paste(sheet, draw, Image.fromarray(visit.pixels), left, top)
    notes = ["text is cut here"] if visit.cut else []
    if visit.replaced != Reason.OK:
        notes = [f"another record: {visit.replaced.name.lower()}", *notes]
    lines = _wrap(draw, visit.text, _LINES - len(notes))
    for line, text in enumerate([*lines, *notes]):
        colour = _INK if line < len(lines) else _WARNING
        draw.text((left, top + TILE + 5 + line * LINE), text, colour, _font(13))


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, image: Image.Image, left: int, top: int) -> None:
    """The whole image, centred in its tile and framed, so that white borders show."""
    scale = TILE / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    # Few pixels are shown as they are; many are made fewer smoothly.
    small = image.resize(size, Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS)
    left, top = left + (TILE - size[0]) // 2, top + (TILE - size[1]) // 2
    sheet.paste(small, (left, top))
    draw.rectangle((left - 1, top - 1, left + size[0], top + size[1]), outline=_FRAME)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fit(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> str:
    """The text, shortened to a width in pixels."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "...", font) > width:
        text = text[:-1]
    return text + "..."


def _wrap(draw: ImageDraw.ImageDraw, text: str, lines: int) -> list[str]:
    """The text in lines of a tile's width; the last one takes what is left, shortened."""
    font, words = _font(13), text.split()
    wrapped: list[str] = []
    while words and len(wrapped) < lines - 1:
        taken = 1
        while taken < len(words) and draw.textlength(" ".join(words[: taken + 1]), font) <= TILE:
            taken += 1
        wrapped.append(_fit(draw, " ".join(words[:taken]), font, TILE))
        words = words[taken:]
    return [*wrapped, _fit(draw, " ".join(words), font, TILE)] if words else wrapped
