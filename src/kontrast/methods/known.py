"""Experiments on scenes whose latents are known: a teapot or other objects under a colored spotlight."""

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


@Method
def cl_ica_3dident() -> Values:
    """The defaults of main_3dident.py (arXiv 2102.08850), for a GPU; its published number has `space=Box`."""
    return {
        "data": datasets.ThreeDIdent,
        "data.size": 224,
        "pairing": pairings.Conditional,
        "pairing.similarity": similarities.Lp,
        "pairing.similarity.p": 2.0,
        # Normal noise of .1 in units of [-1, 1] is .05 of each range, and the temperature twice the square of that.
        "pairing.temperature": 0.005,
        "pairing.symmetric": False,
        "encoder": encoders.ResNet,
        "encoder.depth": 18,
        "encoder.stem": "imagenet",
        "head": heads.Projection,
        "head.hidden": 100,
        "head.norm": False,
        "head.slope": 0.01,
        "space": spaces.Euclidean,
        "teacher": teachers.Shared,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.Lp,
        "objective.similarity.p": 2.0,
        "objective.temperature": 1.0,
        "objective.candidates": "anchors",
        "objective.own": True,
        "optimizer": optimizers.Adam,
        "optimizer.rate": 1e-4,
        "schedule": schedules.Constant,
        "batch": 512,
        "steps": 30_000,
        "joint": False,
    }


@Method
def threedident() -> Values:
    """Pictures of a teapot whose latents are near must agree, which recovers each of them (arXiv 2102.08850)."""
    return {
        "data": datasets.Teapot,
        "pairing": pairings.Conditional,
        "pairing.similarity": similarities.Lp,
        "pairing.similarity.p": 2.0,
        # Normal noise of .15 of each range: of ten latents a pair then has about log(batch) in common, so that
        # none of them can be left out. With less noise two or three tell all things of a batch apart.
        "pairing.temperature": 0.045,
        "encoder": encoders.Conv,
        "encoder.width": 32,
        "encoder.batch_norm": True,
        "head": heads.Linear,
        # The law of the pairs in units of each range, and the box that these units make: nothing is left to scale.
        "space": spaces.Box,
        "teacher": teachers.Shared,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.Lp,
        "objective.similarity.p": 2.0,
        "objective.temperature": 0.045,
        "objective.candidates": "anchors",
        "optimizer": optimizers.AdamW,
        "optimizer.rate": 2e-3,
        "schedule": schedules.WarmupCosine,
        "batch": 256,
        "steps": 2000,
    }


@Method
def causal3dident() -> Values:
    """Pictures of one object under lights of other colors must agree: content, not style (arXiv 2106.04619)."""
    return {
        "data": datasets.Teapot,
        "pairing": pairings.Content,
        "pairing.style": ("hue_object", "hue_spotlight", "hue_background"),
        "encoder": encoders.Conv,
        "encoder.width": 32,
        "encoder.batch_norm": True,
        "head": heads.Linear,
        "head.dim": 7,
        "space": spaces.Sphere,
        "teacher": teachers.Shared,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.Cosine,
        "objective.temperature": 0.2,
        "optimizer": optimizers.AdamW,
        "optimizer.rate": 2e-3,
        "schedule": schedules.WarmupCosine,
        "batch": 256,
        "steps": 2000,
    }
