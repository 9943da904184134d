"""Methods that learn from pictures, without labels and with."""

from __future__ import annotations

from kontrast import (
    datasets,
    encoders,
    heads,
    objectives,
    optimizers,
    pairings,
    schedules,
    similarities,
    spaces,
    teachers,
)
from kontrast.methods.method import Method
from kontrast.methods.setting import Values

PICTURES: Values = {
    "data": datasets.FashionMNIST,
    "encoder": encoders.Conv,
    "encoder.batch_norm": True,
    "optimizer": optimizers.AdamW,
    "optimizer.rate": 2e-3,
    "schedule": schedules.WarmupCosine,
    "batch": 256,
    "epochs": 10.0,
}
"""What all methods below have in common: pictures, a network of laptop size, and how long it learns."""

VIEWS: Values = {
    **PICTURES,
    "pairing": pairings.Augmented,
    "head": heads.Projection,
    "head.hidden": 256,
    "head.dim": 128,
    "space": spaces.Sphere,
    "teacher": teachers.Shared,
}
"""What those without labels have in common: augmented pictures become directions that the network itself answers."""

FREE: Values = {**VIEWS, "head.layers": 3, "head.hidden": 512, "head.dim": 512, "space": spaces.Euclidean}
"""Embeddings of any size and direction, from a deeper head."""


@Method
def simclr() -> Values:
    """Two augmentations of a picture must find each other among a batch (Chen et al. 2020, arXiv 2002.05709)."""
    return {
        **VIEWS,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.Cosine,
        "objective.temperature": 0.5,
    }


@Method
def supcon() -> Values:
    """Pictures of one class are positives: SimCLR with the label as key (Khosla et al. 2020, arXiv 2004.11362)."""
    return {**simclr.values, "pairing.key": "label", "objective.temperature": 0.1}


@Method
def alignment_uniformity() -> Values:
    """Views near each other, all pictures far apart on the sphere (Wang and Isola 2020, arXiv 2005.10242)."""
    return {**VIEWS, "objective": objectives.AlignmentUniformity, "objective.similarity": similarities.Euclidean}


@Method
def barlow_twins() -> Values:
    """The cross-correlation of two views is brought to the identity (Zbontar et al. 2021, arXiv 2103.03230)."""
    return {**FREE, "objective": objectives.BarlowTwins, "joint": False}


@Method
def vicreg() -> Values:
    """Views alike, coordinates that vary, and not together (Bardes, Ponce, LeCun 2021, arXiv 2105.04906)."""
    return {**FREE, "objective": objectives.VICReg, "joint": False}


@Method
def sigreg() -> Values:
    """Views alike, and embeddings that look normal: LeJEPA (Balestriero and LeCun 2025, arXiv 2511.08544)."""
    return {**FREE, "head.dim": 64, "objective": objectives.SIGReg}


@Method
def simsiam() -> Values:
    """One view predicts the other, which passes no gradient (Chen and He 2020, arXiv 2011.10566)."""
    return {
        **VIEWS,
        "head.layers": 3,
        "head.dim": 256,
        "head.last_norm": True,
        "predictor": heads.Projection,
        "predictor.hidden": 64,
        "predictor_schedule": schedules.Constant,
        "teacher": teachers.StopGradient,
        "objective": objectives.Alignment,
        "objective.similarity": similarities.Cosine,
        "joint": False,
    }


@Method
def byol() -> Values:
    """One view predicts what a moving average makes of the other (Grill et al. 2020, arXiv 2006.07733)."""
    return {
        **VIEWS,
        "predictor": heads.Projection,
        "predictor.hidden": 256,
        "teacher": teachers.Momentum,
        "objective": objectives.Alignment,
        "objective.similarity": similarities.Cosine,
        "joint": False,
    }


@Method
def probabilistic() -> Values:
    """Views agree if they may share a latent class: probabilistic SimCLR (a critic for SimCLR, arXiv 2002.05709)."""
    return {
        **VIEWS,
        "head.last_norm": True,
        "space": spaces.Simplex,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.LatentClass,
        "objective.candidates": "cross",
        "objective.temperature": 1.0,
        "joint": False,
    }


@Method
def mcinfonce() -> Values:
    """An embedding is a direction and how certain it is (Kirchhof, Kasneci, Oh 2023, arXiv 2302.02865)."""
    return {
        **VIEWS,
        "head.dim": 16,
        "space": spaces.VonMisesFisher,
        "space.start": 64.0,
        "objective": objectives.MCInfoNCE,
        "objective.warmup": 100,
    }


@Method
def supervised() -> Values:
    """The label is the answer: the ceiling that encoders without labels are held against."""
    return {
        **PICTURES,
        "pairing": pairings.Labeled,
        "pairing.target": "labels",
        "head": heads.Linear,
        "space": spaces.Euclidean,
        "teacher": teachers.Labels,
        "objective": objectives.CrossEntropy,
    }
