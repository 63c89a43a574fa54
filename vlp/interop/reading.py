"""What a model's config says of the texts it reads, beside its tower; and whether its tokenizer writes them so."""

from __future__ import annotations

import dataclasses

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer
from vlp.interop.mapping import Tensors, shape_of

HIGHEST = -1  # in the place of an id: the highest id of a text


@dataclasses.dataclass(frozen=True)
class Reading:
    """Says how another project reads texts.

    Attributes:
      length: tokens of a text, as many as there are positions; 0 = not said.
      rows: ids that have an embedding; 0 = not said.
      end: the id at whose first place the text tower is read, or HIGHEST; None where it is read elsewhere.
      where: the file and the key that say it.
      pad: the id that the tower takes for padding and hides; None where it hides none.
      spare: whether ids may have rows behind those of the tokenizer, which no text reads.
    """

    length: int = 0
    rows: int = 0
    end: int | None = None
    where: str = ""
    pad: int | None = None
    spare: bool = False


def check_sizes(reading: Reading, leaves: Tensors) -> None:
    """Raises ValueError where the text tower has other numbers of positions or ids than its config says."""
    for what, said, path in (
        ("tokens in a text", reading.length, "text/position/embedding"),
        ("ids", reading.rows, "text/embedding/embedding"),
    ):
        there = shape_of(leaves, path, 2)[0]
        if said not in (0, there):
            raise UserError(f"the config says {said} {what}, but the weights have {there}: they do not fit")


def check_tokenizer(reading: Reading, tokenizer: Tokenizer, leaves: Tensors) -> Tensors:
    """Checks that the tokenizer is the model's: that every id has an embedding, and that a text is read where its end
    token stands, which is where our towers read it.

    Returns:
      The weights, without the embeddings of ids that the tokenizer does not have, where there may be some.

    Raises:
      ValueError: it has another number of ids, or the other project would read its texts at another place.
    """
    path, ids = "text/embedding/embedding", tokenizer.vocabulary_size
    if reading.spare:
        leaves = {**leaves, path: leaves[path][:ids]}
    rows = leaves[path].shape[0]
    if rows != ids:
        raise UserError(f"the tokenizer has {ids} ids, but the model has {rows}: they do not fit")
    if reading.pad not in (None, tokenizer.special.pad):
        raise UserError(
            f"{reading.where}: the text tower hides the id {reading.pad}, but the tokenizer pads with "
            f"{tokenizer.special.pad}"
        )
    if reading.end is not None:
        _check_end(reading, tokenizer)
    return leaves


def _check_end(reading: Reading, tokenizer: Tokenizer) -> None:
    end, begin, highest = tokenizer.special.end, tokenizer.special.begin, tokenizer.vocabulary_size - 1
    if begin == end:
        raise UserError(
            f"{reading.where}: texts are read at their first token {end}, and the tokenizer begins them with it: they "
            "would all be read alike"
        )
    if reading.end == HIGHEST and end != highest:
        raise UserError(
            f"{reading.where}: texts are read at their highest id, but the tokenizer ends them with {end} of "
            f"{highest + 1} ids: put the id of its end there"
        )
    if reading.end not in (HIGHEST, end):
        raise UserError(
            f"{reading.where}={reading.end}: texts are read at their first token {reading.end}, but the tokenizer ends "
            f"them with {end}"
        )
