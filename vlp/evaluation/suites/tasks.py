"""The tasks of known suites: what each is called, which of its figures counts, and what chance reaches on that.

DataComp's are those of its tasklist.yml (Gadre et al. 2023, arXiv 2304.14108), the others CLIP_benchmark's
collections of the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from input_pipeline.errors import UserError


class Task(NamedTuple):
    """One task.

    Attributes:
      key: as the suites call it.
      name: for readers.
      main: of its figures, the one that is averaged; '' for none.
      images: that the set has when it is whole; 0 = not known.
      chance: level of `main`, where it is known.
      group: that it belongs to; '' for none.
    """

    key: str
    name: str
    main: str = "acc1"
    images: int = 0
    chance: float | None = None
    group: str = ""

    @property
    def kind(self) -> str:
        """Returns what is asked: 'zeroshot_classification', 'zeroshot_retrieval' or 'image_association'."""
        if self.key == "misc/winogavil":
            return "image_association"
        return "zeroshot_retrieval" if self.key.startswith("retrieval/") else "zeroshot_classification"

    @property
    def folders(self) -> tuple[str, ...]:
        """Returns what its local copy may be called: as DataComp's script or CLIP_benchmark's repositories have it."""
        whole, own = self.key.replace("/", "-"), self.key.rpartition("/")[2]
        names = dict.fromkeys((whole, own, *_ALIASES.get(self.key, ())))
        return tuple(form.format(name) for name in names for form in ("wds_{}_test", "wds_{}", "{}"))


_ALIASES = {
    "retrieval/flickr_1k_test_image_text_retrieval": ("flickr30k",),
    "retrieval/mscoco_2014_5k_test_image_text_retrieval": ("mscoco_captions",),
}
_MEAN = "mean_per_class_recall"
_SHIFTS, _VTAB, _RETRIEVAL = "ImageNet dist. shifts", "VTAB", "Retrieval"

DATACOMP = (
    Task("vtab/caltech101", "Caltech-101", _MEAN, 6085, 0.009804, _VTAB),
    Task("cifar10", "CIFAR-10", "acc1", 10000, 0.1),
    Task("vtab/cifar100", "CIFAR-100", "acc1", 10000, 0.01, _VTAB),
    Task("vtab/clevr_count_all", "CLEVR Counts", "acc1", 15000, 0.125061, _VTAB),
    Task("vtab/clevr_closest_object_distance", "CLEVR Distance", "acc1", 15000, 0.19052, _VTAB),
    Task("country211", "Country211", "acc1", 21100, 0.004739),
    Task("vtab/dtd", "Describable Textures", "acc1", 1880, 0.021277, _VTAB),
    Task("vtab/eurosat", "EuroSAT", "acc1", 5400, 0.101483, _VTAB),
    Task("fgvc_aircraft", "FGVC Aircraft", _MEAN, 3333, 0.01),
    Task("food101", "Food-101", "acc1", 25250, 0.009901),
    Task("gtsrb", "GTSRB", "acc1", 12630, 0.037604),
    Task("imagenet1k", "ImageNet 1k", "acc1", 50000, 0.001, "ImageNet"),
    Task("imagenet_sketch", "ImageNet Sketch", "acc1", 50889, 0.001, _SHIFTS),
    Task("imagenetv2", "ImageNet v2", "acc1", 10000, 0.001, _SHIFTS),
    Task("imagenet-a", "ImageNet-A", "acc1", 7500, 0.008056, _SHIFTS),
    Task("imagenet-o", "ImageNet-O", "acc1", 2000, 0.006047, _SHIFTS),
    Task("imagenet-r", "ImageNet-R", "acc1", 30000, 0.006163, _SHIFTS),
    Task("vtab/kitti_closest_vehicle_distance", "KITTI Vehicle Distance", "acc1", 711, 0.295289, _VTAB),
    Task("mnist", "MNIST", "acc1", 10000, 0.10035),
    Task("objectnet", "ObjectNet", "acc1", 18574, 0.009481, _SHIFTS),
    Task("vtab/flowers", "Oxford Flowers-102", _MEAN, 6149, 0.009804, _VTAB),
    Task("vtab/pets", "Oxford-IIIT Pet", _MEAN, 3669, 0.027027, _VTAB),
    Task("voc2007", "Pascal VOC 2007", "acc1", 14976, 0.154038),
    Task("vtab/pcam", "PatchCamelyon", "acc1", 32768, 0.5, _VTAB),
    Task("renderedsst2", "Rendered SST2", "acc1", 1821, 0.500001),
    Task("vtab/resisc45", "RESISC45", "acc1", 6300, 0.022342, _VTAB),
    Task("cars", "Stanford Cars", "acc1", 8041, 0.00516),
    Task("stl10", "STL-10", "acc1", 8000, 0.1),
    Task("sun397", "SUN397", "acc1", 108754, 0.004645, _VTAB),
    Task("vtab/svhn", "SVHN", "acc1", 26032, 0.117897, _VTAB),
    Task("retrieval/flickr_1k_test_image_text_retrieval", "Flickr", "mean_recall@1", 1000, None, _RETRIEVAL),
    Task(
        "retrieval/mscoco_2014_5k_test_image_text_retrieval",
        "MSCOCO",
        "mean_recall@1",
        5000,
        None,
        _RETRIEVAL,
    ),
    # Its size counts cues, and an image stands among the candidates of many.
    Task("misc/winogavil", "WinoGAViL", "jaccard_score_10-12", 0, 0.205, _RETRIEVAL),
    Task("wilds/iwildcam", "iWildCam", "F1-macro_all", 42791, 0.143056),
    Task("wilds/camelyon17", "Camelyon17", "acc1", 85054, 0.5),
    Task("wilds/fmow", "FMoW", "acc_worst_region", 22108, 0.027193),
    Task("fairness/dollar_street", "Dollar Street", "acc_top5_wg", 3503),
    Task("fairness/geode", "GeoDE", "acc_wg", 12488),
    Task("fairness/fairface", "FairFace", "", 10954),
    Task("fairness/utkface", "UTKFace", "", 23703),
)
_KNOWN = {task.key: task for task in DATACOMP}


def _collection(groups: Mapping[str, Iterable[str]]) -> tuple[Task, ...]:
    """Tasks of CLIP_benchmark, whose figure is the first one of its kind: accuracy, or mean average precision."""
    return tuple(
        Task(
            key,
            _KNOWN[key].name if key in _KNOWN else key.rpartition("/")[2].replace("_", " "),
            "mean_average_precision" if key.endswith("_multilabel") else "acc1",
            _KNOWN[key].images if key in _KNOWN else 0,
            group=group,
        )
        for group, keys in groups.items()
        for key in keys
    )


_NATURAL = (
    "vtab/caltech101",
    "vtab/cifar100",
    "vtab/dtd",
    "vtab/flowers",
    "vtab/pets",
    "sun397",
    "vtab/svhn",
)
_SPECIALISED = ("vtab/diabetic_retinopathy", "vtab/eurosat", "vtab/pcam", "vtab/resisc45")
_STRUCTURED = (
    "vtab/clevr_count_all",
    "vtab/clevr_closest_object_distance",
    "vtab/dmlab",
    "vtab/dsprites_label_orientation",
    "vtab/dsprites_label_x_position",
    "vtab/kitti_closest_vehicle_distance",
    "vtab/smallnorb_label_azimuth",
    "vtab/smallnorb_label_elevation",
)
_VTAB_GROUPS = {"natural": _NATURAL, "specialised": _SPECIALISED, "structured": _STRUCTURED}
_ROBUSTNESS = ("imagenetv2", "imagenet_sketch", "imagenet-a", "imagenet-r", "objectnet")
_PLUS = (
    *("fer2013", "voc2007", "voc2007_multilabel", "cars", "fgvc_aircraft", "mnist", "stl10", "gtsrb"),
    *("country211", "renderedsst2", "vtab/cifar10"),
)

SUITES: Mapping[str, tuple[Task, ...]] = {
    "datacomp": DATACOMP,
    "vtab": _collection(_VTAB_GROUPS),
    "vtab_plus": _collection(
        {"imagenet": ("imagenet1k",), "robustness": _ROBUSTNESS, "others": _PLUS, **_VTAB_GROUPS}
    ),
    "imagenet_robustness": _collection({"imagenet": ("imagenet1k",), "robustness": _ROBUSTNESS}),
}


def tasks_of(suite: str, patterns: Sequence[str]) -> list[Task]:
    """Returns the tasks of a suite whose key or name fits one of the patterns; none given is all of them.

    Raises:
      ValueError: a pattern that no task fits.
    """
    chosen: dict[str, Task] = {}
    for pattern in patterns or ("*",):
        fitting = [
            task
            for task in SUITES[suite]
            if fnmatchcase(task.key, pattern) or fnmatchcase(task.name, pattern)
        ]
        if not fitting:
            known = ", ".join(task.key for task in SUITES[suite])
            raise UserError(f"suite.tasks: no task of {suite} is called '{pattern}': it has {known}")
        chosen |= {task.key: task for task in fitting}
    return [*chosen.values()]
