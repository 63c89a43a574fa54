"""Pictures with boxes in them, and what the boxes are called."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from input_pipeline.views.patches import picture_of
from vlp.evaluation.exhibits import BoxedPicture, Boxes
from vlp.evaluation.page.html import Markup, element
from vlp.evaluation.page.pictures import SIDE, Album

COLOURS = ((214, 39, 40), (31, 119, 180), (44, 160, 44), (255, 127, 14), (148, 103, 189), (23, 190, 207))


def draw_boxes(exhibit: Boxes, album: Album) -> Markup:
    """Returns a figure for each picture."""
    figures = [
        element(
            "figure",
            album.picture(drawn(one), f"boxes: {', '.join(one.names)}"),
            element("figcaption", ", ".join(dict.fromkeys(one.names))),
        )
        for one in exhibit.pictures
    ]
    return element("div", *figures, class_="maps")


def drawn(one: BoxedPicture) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the picture as large as it is shown, with its boxes drawn on it in their order."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture_of(one.picture))
    scale = SIDE / max(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    pen = ImageDraw.Draw(image)
    for number, (left, top, right, bottom) in enumerate(one.boxes.tolist()):
        corners = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        if corners[2] > corners[0] and corners[3] > corners[1]:
            pen.rectangle(corners, outline=COLOURS[number % len(COLOURS)], width=2)
    return np.asarray(image)
