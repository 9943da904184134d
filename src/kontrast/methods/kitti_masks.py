"""KITTI Masks: two frames of one film that follow each other must agree."""

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
def kitti_masks() -> Values:
    """Frames that follow each other must agree, which recovers what moves by Laplace steps (arXiv 2102.08850)."""
    return {
        "data": datasets.Masks,
        "pairing": pairings.Temporal,
        "encoder": encoders.Conv,
        "encoder.width": 32,
        "head": heads.Linear,
        "head.dim": 10,
        "space": spaces.Euclidean,
        "teacher": teachers.Shared,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.Lp,
        "objective.similarity.p": 1.0,
        "objective.temperature": 1.0,
        "objective.candidates": "anchors",
        "optimizer": optimizers.Adam,
        "optimizer.rate": 1e-3,
        "schedule": schedules.WarmupCosine,
        "batch": 64,
        "steps": 1500,
    }


@Method
def cl_ica_kitti() -> Values:
    """The defaults of main_kitti.py (arXiv 2102.08850): hours; the published number has a learned `space=Box`."""
    return {
        **kitti_masks.values,
        "data": datasets.KITTIMasks,
        "data.test": 0.0,
        "pairing.max_gap": 1,
        "pairing.symmetric": False,
        "objective.own": True,
        "optimizer.rate": 1e-4,
        "schedule": schedules.Constant,
        "batch": 32,
        "steps": 300_000,
    }
