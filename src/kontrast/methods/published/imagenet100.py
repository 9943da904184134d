"""ImageNet-100: about 127,000 pictures of 100 of ImageNet's classes."""

from __future__ import annotations

from kontrast import augmentations, datasets
from kontrast.methods.published.fields import (
    alike,
    asymmetric,
    clipped_lars,
    cosine,
    predictor,
    projection,
    resnet,
    sgd,
    solarized,
    symmetric,
)
from kontrast.methods.setting import Setting, Values

SIDE: Values = {"crop.size": 224}
"""Views of 224 pixels, of pictures that are kept at 256."""

SOLO_LEARN: Values = {
    "data": datasets.ImageNet100,
    "data.size": 256,
    **resnet(18),
    **cosine(400, warmup=10),
    "batch": 256,
    "joint": False,
    "precision": "float16",
}
"""solo-learn, scripts/pretrain/imagenet-100, whose batch of 256 is 128 on each of two devices."""

SHORT: Values = {**SOLO_LEARN, **cosine(100, warmup=10, start=0.01)}
"""The first version of solo-learn, whose loss is divided by the number of its devices where it gathers embeddings."""

SIMCLR: Values = {**projection(2, 4096, 512, norm=False), **symmetric(SIDE), "objective.temperature": 0.2}

FIRST: Values = {**SHORT, **projection(2, 2048, 128, norm=False), "joint": True}

MULTICROP: Values = {
    **alike(augmentations.SoloLearnImageNet, {**SIDE, "crop.scale": (0.14, 1.0)}),
    "pairing.small": 6,
    "objective.temperature": 0.1,
    "objective.denominator": "one",
}

SETTINGS: dict[str, Setting] = {
    "simclr-imagenet100": Setting(
        "vturrisi/solo-learn, scripts/pretrain/imagenet-100/simclr.yaml",
        {**SOLO_LEARN, **SIMCLR, **clipped_lars(0.3, 1e-4)},
    ),
    "simclr-imagenet100-short": Setting(
        "vturrisi/solo-learn at d4008e9, bash_files/run_simclr.sh",
        {
            **FIRST,
            **alike(augmentations.SoloLearnImageNet, SIDE),
            "objective.temperature": 0.2,
            **clipped_lars(0.3, 1e-4, loss=1 / 2, exclude="nothing"),
        },
    ),
    "simclr-imagenet100-multicrop": Setting(
        "vturrisi/solo-learn at d4008e9, bash_files/run_simclr.sh --multicrop",
        {**FIRST, **MULTICROP, **clipped_lars(0.3, 1e-4, loss=1 / 2, exclude="nothing")},
    ),
    "supcon-imagenet100": Setting(
        "vturrisi/solo-learn, scripts/pretrain/imagenet-100/supcon.yaml, whose loss has the mean inside the logarithm",
        {
            **SOLO_LEARN,
            **projection(2, 2048, 512, norm=False),
            **symmetric(SIDE),
            "objective.temperature": 0.2,
            **sgd(0.5, 1e-5),
        },
    ),
    "supcon-imagenet100-multicrop": Setting(
        "vturrisi/solo-learn at d4008e9, bash_files/run_simclr.sh --multicrop --supervised",
        {**FIRST, **MULTICROP, **clipped_lars(0.3, 1e-4, loss=1 / 2, exclude="nothing")},
    ),
    "barlow_twins-imagenet100": Setting(
        "vturrisi/solo-learn, scripts/pretrain/imagenet-100/barlow.yaml",
        {
            **SOLO_LEARN,
            **projection(3, 2048, 2048),
            **asymmetric(SIDE),
            "objective.weight": 0.0051,
            # Its gradient is half of the loss's, for each device sees its own part of the correlation.
            **clipped_lars(0.3, 1e-4, loss=0.1 / 2),
        },
    ),
    "barlow_twins-imagenet100-short": Setting(
        "vturrisi/solo-learn at d4008e9, bash_files/run_barlow.sh",
        {
            **SHORT,
            **projection(3, 2048, 2048),
            **alike(augmentations.SoloLearnImageNet, SIDE),
            "objective.weight": 0.005,
            "objective.deviation": "unbiased",
            **clipped_lars(0.3, 1e-4, loss=1 / 2, exclude="nothing"),
        },
    ),
    "simsiam-imagenet100": Setting(
        "vturrisi/solo-learn, scripts/pretrain/imagenet-100/simsiam.yaml",
        {
            **SOLO_LEARN,
            **projection(3, 2048, 2048, last_norm="plain"),
            **predictor(512),
            **asymmetric(SIDE),
            **sgd(0.5, 1e-5),
        },
    ),
    "simsiam-imagenet100-short": Setting(
        "vturrisi/solo-learn at d4008e9, bash_files/run_simsiam.sh, the smaller heads",
        {
            **SHORT,
            "encoder.zero_init": True,
            **projection(3, 2048, 512, last_norm="affine"),
            **predictor(128),
            **alike(augmentations.SoloLearnImageNet, SIDE),
            **sgd(0.3, 1e-4),
        },
    ),
    "vicreg-imagenet100": Setting(
        "vturrisi/solo-learn, scripts/pretrain/imagenet-100/vicreg.yaml",
        {
            **SOLO_LEARN,
            **projection(3, 2048, 2048),
            **solarized({**SIDE, "blur.p": 0.5}),
            "objective.invariance": 25.0,
            "objective.variance": 25.0,
            "objective.covariance": 1.0,
            **clipped_lars(0.3, 1e-4),
        },
    ),
    "byol-imagenet100": Setting(
        "vturrisi/solo-learn, scripts/pretrain/imagenet-100/byol.yaml",
        {
            **SOLO_LEARN,
            **projection(2, 4096, 256),
            **predictor(8192),
            **asymmetric(SIDE),
            "teacher.rate": 0.99,
            "teacher.final": 1.0,
            **clipped_lars(0.5, 1e-6, loss=4),
        },
    ),
    "probabilistic-imagenet100": Setting(
        "simclr-imagenet100, with temperature and last normalization from probabilistic-cifar10",
        {
            **SOLO_LEARN,
            **SIMCLR,
            **projection(2, 4096, 512, last_norm="affine"),
            "objective.temperature": 0.5,
            **clipped_lars(0.3, 1e-4),
        },
    ),
}
