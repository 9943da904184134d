"""CIFAR-10: 50,000 pictures of 32 pixels."""

from __future__ import annotations

from kontrast import augmentations, datasets
from kontrast.methods.published.fields import (
    adam,
    alike,
    asymmetric,
    clipped_lars,
    constant,
    cosine,
    lars,
    predictor,
    projection,
    resnet,
    sgd,
    solarized,
    symmetric,
)
from kontrast.methods.setting import Setting, Values

RESNET18: Values = {"data": datasets.CIFAR10, **resnet(18, stem="cifar")}
RESNET50: Values = {"data": datasets.CIFAR10, **resnet(50, stem="cifar")}

SOLO_LEARN: Values = {
    **RESNET18,
    **cosine(1000, warmup=10),
    "batch": 256,
    "joint": False,
    "precision": "float16",
}
"""solo-learn, scripts/pretrain/cifar; its stem has a padding of 2 where this one has 1."""

MICRO: Values = {
    **projection(2, 2048, 128, last_norm="affine"),
    **alike(augmentations.ProbabilisticSimCLR),
    "objective.temperature": 0.5,
    **adam(1e-3, 1e-6),
    **constant(100),
    "batch": 512,
    "micro": 64,
    "accumulation": "plain",
    "joint": False,
    "precision": "float32",
}
"""sylviesss/pytorch-simclr: micro-batches of 64 pictures, each with its own negatives, eight to a step."""

SIMCLR: Values = {
    "data": datasets.CIFAR10,
    **resnet(18, stem="cifar", zero_init=True),
    "objective.temperature": 0.5,
    "joint": True,
    "precision": "float32",
}

SETTINGS: dict[str, Setting] = {
    "simclr-cifar10": Setting(
        "google-research/simclr, README.md, ResNet-18",
        {
            **SIMCLR,
            **projection(3, 512, 128, last_norm="scale", std=0.01),
            **alike(augmentations.SimCLRCifar, {"jitter.lightening": "scaled"}),
            **lars(1.0, 1e-4, loss=2, velocity="steps"),
            **cosine(1000, warmup=10),
            "batch": 512,
        },
    ),
    "simclr-cifar10-ablation": Setting(
        "jaeeun-n/simclr-ablations, README.md",
        {
            **SIMCLR,
            **projection(2, 512, 128, last_norm="scale", std=0.01),
            **alike(
                augmentations.SimCLRAblations,
                {"jitter.brightness": 0.4, "jitter.contrast": 0.4, "jitter.saturation": 0.4, "jitter.hue": 0.1},
            ),
            **lars(0.1, 1e-6, loss=2, velocity="steps"),
            **cosine(200, warmup=10),
            "batch": 256,
        },
    ),
    "simclr-cifar10-micro": Setting("sylviesss/pytorch-simclr, pretrain.py", {**RESNET50, **MICRO}),
    "supcon-cifar10": Setting(
        "HobbitLong/SupContrast, README.md",
        {
            **RESNET50,
            **projection(2, 2048, 128, norm=False),
            **alike(augmentations.SoloLearn),
            "objective.temperature": 0.1,
            # Its rate is .5 for the batch of 1,024.
            **sgd(0.5 / 4, 1e-4, loss=0.1 / 0.07),
            **cosine(1000, warmup=10, floor=1e-3, start=0.02),
            "batch": 1024,
            "joint": True,
            "precision": "float32",
        },
    ),
    "supcon-cifar10-resnet18": Setting(
        "vturrisi/solo-learn, scripts/pretrain/cifar/supcon.yaml, whose loss has the mean inside the logarithm",
        {
            **SOLO_LEARN,
            **projection(2, 2048, 256, norm=False),
            # Pillow's blur reaches as far as its standard deviation asks for, whatever the size of the picture.
            **symmetric({"blur.kernel": 0.4}),
            "objective.temperature": 0.2,
            **sgd(0.4, 1e-5),
        },
    ),
    "barlow_twins-cifar10": Setting(
        "vturrisi/solo-learn, scripts/pretrain/cifar/barlow.yaml",
        {
            **SOLO_LEARN,
            **projection(3, 2048, 2048),
            **asymmetric({"blur": None}),
            "objective.weight": 0.0051,
            **clipped_lars(0.3, 1e-4, loss=0.1),
        },
    ),
    "simsiam-cifar10": Setting(
        "arXiv 2011.10566, appendix D",
        {
            **RESNET18,
            "encoder.zero_init": True,
            **projection(2, 2048, 2048, last_norm="plain"),
            **predictor(512),
            **alike(augmentations.SimSiam, {"blur": None}),
            **sgd(0.03, 5e-4),
            **cosine(800),
            "batch": 512,
            "joint": False,
            "precision": "float32",
        },
    ),
    "vicreg-cifar10": Setting(
        "vturrisi/solo-learn, scripts/pretrain/cifar/vicreg.yaml",
        {
            **SOLO_LEARN,
            **projection(3, 2048, 2048),
            **solarized({"blur": None}),
            "objective.invariance": 25.0,
            "objective.variance": 25.0,
            "objective.covariance": 1.0,
            **clipped_lars(0.3, 1e-4),
        },
    ),
    "byol-cifar10": Setting(
        "vturrisi/solo-learn, scripts/pretrain/cifar/byol.yaml",
        {
            **SOLO_LEARN,
            **projection(2, 4096, 256),
            **predictor(4096),
            **asymmetric({"blur": None}),
            "teacher.rate": 0.99,
            "teacher.final": 1.0,
            **clipped_lars(1.0, 1e-5, loss=4),
        },
    ),
    "probabilistic-cifar10": Setting("sylviesss/pytorch-simclr, pretrain.py --modified_loss", {**RESNET50, **MICRO}),
}
