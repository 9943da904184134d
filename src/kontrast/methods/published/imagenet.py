"""ImageNet: 1,281,167 pictures of 1,000 classes (ILSVRC 2012)."""

from __future__ import annotations

from kontrast import augmentations, datasets
from kontrast.methods.published.fields import alike, cosine, lars, predictor, projection, resnet, sgd, unlike
from kontrast.methods.setting import Setting, Values

SIDE: Values = {"crop.size": 224}
"""Views of 224 pixels, of pictures that are kept at 256."""

RESNET50: Values = {"data": datasets.ImageNet, "data.size": 256, **resnet(50), "precision": "float32"}

SIMCLR: Values = {
    **RESNET50,
    "encoder.zero_init": True,
    **projection(2, 2048, 128, last_norm="scale", std=0.01),
    **alike(augmentations.SimCLR, SIDE),
    "objective.temperature": 0.1,
    **lars(0.3, 1e-6, loss=2, velocity="steps"),
    **cosine(100, warmup=10),
    "batch": 4096,
    "joint": True,
}

REDUNDANCY: Values = {
    **RESNET50,
    **projection(3, 8192, 8192, bias=False),
    **unlike(augmentations.BarlowTwinsFirst, augmentations.BarlowTwinsSecond, SIDE),
    **cosine(1000, warmup=10, floor=1e-3),
    "batch": 2048,
    "joint": False,
    "precision": "float16",
}
"""What Barlow Twins and VICReg, of which the second is built upon the first, have in common."""

SETTINGS: dict[str, Setting] = {
    "simclr-imagenet": Setting("arXiv 2002.05709, section 2.3, with the temperature of table 5", SIMCLR),
    "supcon-imagenet": Setting(
        "google-research/google-research, supcon/scripts/supcon_imagenet_resnet50.sh, with the head of arXiv "
        "2004.11362, and the views of simclr-imagenet in place of AutoAugment",
        {
            **RESNET50,
            **projection(2, 2048, 128, norm=False),
            **alike(augmentations.SimCLR, SIDE),
            "objective.temperature": 0.1,
            **lars(0.4, 1e-3, loss=0.1, velocity="steps"),
            **cosine(350, warmup=12),
            "batch": 6144,
            "joint": True,
            "precision": "bfloat16",
        },
    ),
    "barlow_twins-imagenet": Setting(
        "facebookresearch/barlowtwins, main.py",
        {
            **REDUNDANCY,
            "objective.weight": 0.0051,
            # Its biases have a rate of .0048. On 16 devices its gradient is a sixteenth of the loss's, for each sees
            # its own part of the correlation.
            **lars(0.2, 1e-6, loss=1 / 16, biases=0.0048 / 0.2),
        },
    ),
    "simsiam-imagenet": Setting(
        "facebookresearch/simsiam, main_simsiam.py --fix-pred-lr",
        {
            **RESNET50,
            "encoder.zero_init": True,
            **projection(3, 2048, 2048, last_norm="plain"),
            **predictor(512),
            **alike(augmentations.SimSiam, SIDE),
            **sgd(0.05, 1e-4),
            **cosine(100),
            "batch": 512,
            "joint": False,
        },
    ),
    "vicreg-imagenet": Setting(
        "facebookresearch/vicreg, README.md, 1,000 epochs",
        {
            **REDUNDANCY,
            "objective.invariance": 25.0,
            "objective.variance": 25.0,
            "objective.covariance": 1.0,
            **lars(0.2, 1e-6),
        },
    ),
    "byol-imagenet": Setting(
        "google-deepmind/deepmind-research, byol/configs/byol.py, 1,000 epochs",
        {
            **RESNET50,
            **projection(2, 4096, 256, bias=False),
            **predictor(4096, bias=False),
            **unlike(augmentations.BYOLFirst, augmentations.BYOLSecond, SIDE),
            "teacher.rate": 0.996,
            "teacher.final": 1.0,
            **lars(0.2, 1.5e-6, loss=4),
            **cosine(1000, warmup=10),
            "batch": 4096,
            "joint": False,
        },
    ),
    "probabilistic-imagenet": Setting(
        "simclr-imagenet, with temperature and last normalization from probabilistic-cifar10",
        {
            **SIMCLR,
            **projection(2, 2048, 128, last_norm="affine"),
            "objective.temperature": 0.5,
            **lars(0.3, 1e-6, velocity="steps"),
            "joint": False,
        },
    ),
}
