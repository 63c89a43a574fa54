"""Discrimination of the images of a batch among the centres of a large table of classes or clusters."""

from __future__ import annotations

import functools
import math
from typing import Any

from flax import nnx
from jaxtyping import Array, Bool, Float

from vlp.encodings import Encodings
from vlp.kernels.log_sum_exp import AxisName
from vlp.kernels.loss import Loss
from vlp.kernels.margins import MARGINS, drop_similar_negatives
from vlp.models.dual_encoder import DualEncoder
from vlp.models.sharding import TABLE_AXES
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.kernels import configured_kernel
from vlp.parallel.class_table import check_split, class_loss


class Discrimination(Objective):
    """Cosines of images and learned class centres, a margin, and a kernel that says what should be high.

    MLCD (arXiv 2407.17331): `separated` kernel, the 8 nearest of a million cluster centres as labels, a tenth of the
    others as negatives. Its loss was never released; scale and margin are unverified, and with scale 1 it saturates.
    MLC, which it is derived from and compared with: `joint`; with margin kind 'circle' the circle loss (2002.10857).
    UNICOM (2304.05884): `softmax` kernel, one label, an angular margin, and half of the dimensions a step. The gradient
    is the margin's own; the public code's is the plain cosine's ('angle_straight_through'). MOFI (2306.07952):
    `softmax` over entities. Tagging: `sigmoid`, or RAM++'s `asymmetric_sigmoid` (2310.15200).
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Makes the table.

        Args:
          config: `objectives.discrimination`: `labels` (the field of class numbers, several a row or one, -1 = none,
            or of states of all classes, -1 = unknown), `classes`, `image_view`, `kernel` and `margin_kind` (names),
            what `configured_kernel` reads, `scale`, `margin`, `drop_above` (cosine from which on a negative counts as
            an unlabelled positive), `rate` and `feature_rate` (shares of the table's rows and columns that take part
            in a step), `chunk` (rows scored at a time).
          model: for the width of its embeddings.
          rngs: of the centres' initial values.

        Raises:
          ValueError: the classes do not split over the mesh's model axis.
        """
        check_split(config.classes)
        init = nnx.initializers.normal(0.01)
        # Every device scores against the rows that it holds (class_table.py).
        self.class_centres = nnx.Param(
            init(rngs.params(), (config.classes, model.embed_dim)), split=(TABLE_AXES, None)
        )
        self.image_view, self.labels = config.image_view, config.labels
        self.fields = (self.image_view, self.labels)
        self.limits = {self.labels: ("classes", config.classes)}
        self.kernel, self.scale, self.drop_above = configured_kernel(config), config.scale, config.drop_above
        self.margin = functools.partial(MARGINS[config.margin_kind], margin=config.margin)
        self.sampling = {name: config[name] for name in ("chunk", "rate", "feature_rate")}

    def flops(self) -> float:
        """Counts the scores against the rows and columns of the table that take part."""
        shares = self.sampling["rate"] * self.sampling["feature_rate"]
        return 2 * math.prod(self.class_centres.shape) * shares

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the images of the batch."""
        images, labels = encodings.image(self.image_view), encodings.batch[self.labels]
        output = class_loss(
            images,
            self.class_centres[...],
            labels.reshape(len(labels), -1),
            self._score_loss,
            key=encodings.key(f"discrimination/{self.labels}"),
            **self.sampling,
        )
        return ObjectiveOutput(output.loss, output.metrics)

    def _score_loss(
        self,
        cosines: Float[Array, "rows columns"],
        targets: Float[Array, "rows columns"],
        known: Bool[Array, "rows columns"] | None,
        axis_name: AxisName,
    ) -> Loss:
        if self.drop_above:
            cosines = drop_similar_negatives(cosines, targets, self.drop_above)
        return self.kernel(
            self.scale * self.margin(cosines, targets), targets, mask=known, axis_name=axis_name
        )
