"""STL-10: 105,000 pictures of 96 pixels, 5,000 of them with a label."""

from __future__ import annotations

from kontrast import augmentations, datasets, schedules, spaces
from kontrast.methods.published import cifar10, imagenet100
from kontrast.methods.published.fields import adam, alike, constant, predictor, projection, resnet
from kontrast.methods.setting import Setting, Values

PICTURES: Values = {"data": datasets.STL10, "data.part": "train+unlabeled"}
UNLABELED: Values = {"data": datasets.STL10, "data.part": "unlabeled"}

JITTER_FIRST: Values = {
    "grayscale.p": 0.1,
    "crop.interpolation": "bicubic",
    "order": ("jitter", "grayscale", "crop", "flip"),
}

WHITENING: Values = {
    **PICTURES,
    **resnet(18),
    **alike(augmentations.SoloLearn, JITTER_FIRST),
    "epochs": 2000.0,
    "schedule": schedules.Step,
    "schedule.milestones": (1950 / 2000, 1975 / 2000),
    "schedule.gamma": 0.2,
    # 500 steps of 2,000 epochs of 205.
    "schedule.warmup": 500 / 410_000,
    "batch": 512,
    "joint": False,
    "precision": "float32",
}
"""arXiv 2007.06346, whose stem is a 3 x 3 convolution and a max-pool, for crops of 64 pixels."""

STEM = "at 96 pixels with the stem of ImageNet, where it has 64 pixels and a smaller stem"


def _near(name: str, changes: Values = PICTURES) -> Values:
    """The setting of ImageNet-100, which has about as many pictures, with crops of the size of these."""
    values = imagenet100.SETTINGS[f"{name}-imagenet100"].values
    return {**{path: value for path, value in values.items() if not path.endswith(".size")}, **changes}


SETTINGS: dict[str, Setting] = {
    "simclr-stl10": Setting(
        f"arXiv 2007.06346, table 1 (htdt/self-supervised, README.md), {STEM}",
        {
            **WHITENING,
            **projection(2, 1024, 128, last_norm="affine"),
            "objective.temperature": 0.5,
            **adam(2e-3, 1e-6),
        },
    ),
    "simclr-stl10-micro": Setting(
        "sylviesss/pytorch-simclr, pretrain.py --dataset=stl10",
        {**UNLABELED, **resnet(50), **cifar10.MICRO},
    ),
    "supcon-stl10": Setting(
        "supcon-imagenet100, for the labeled pictures",
        _near("supcon", {"data": datasets.STL10, "data.part": "train"}),
    ),
    "barlow_twins-stl10": Setting(
        f"arXiv 2104.13712 (yaohungt/Barlow-Twins-HSIC, README.md), {STEM}",
        {
            **PICTURES,
            **resnet(50),
            **projection(2, 512, 128),
            **alike(augmentations.SoloLearn, JITTER_FIRST),
            "space": spaces.Sphere,
            "objective.weight": 1 / 128,
            "objective.deviation": "unbiased",
            **adam(1e-3, 1e-6),
            **constant(1000),
            "batch": 128,
            "joint": False,
            "precision": "float32",
        },
    ),
    "simsiam-stl10": Setting("simsiam-imagenet100", _near("simsiam")),
    "vicreg-stl10": Setting("vicreg-imagenet100", _near("vicreg")),
    "byol-stl10": Setting(
        f"arXiv 2007.06346, table 1 (htdt/self-supervised, README.md), {STEM}",
        {
            **WHITENING,
            **projection(2, 1024, 128),
            **predictor(1024),
            "teacher.rate": 0.99,
            "teacher.final": 1.0,
            **adam(2e-3, 1e-6, loss=4),
        },
    ),
    "probabilistic-stl10": Setting(
        "sylviesss/pytorch-simclr, pretrain.py --dataset=stl10 --modified_loss",
        {**UNLABELED, **resnet(50), **cifar10.MICRO},
    ),
}
