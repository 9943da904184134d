"""The experiment on dSprites: sprites that are one step apart must agree."""

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
def dsprites() -> Values:
    """Sprites one step apart on the grid of dSprites must agree, by InfoNCE on distances (arXiv 2102.08850)."""
    return {
        "data": datasets.Sprites,
        "data.law": "grid",
        "pairing": pairings.Neighbors,
        "encoder": encoders.Conv,
        "encoder.batch_norm": True,
        "encoder.width": 16,
        "head": heads.Projection,
        "head.hidden": 256,
        "head.dim": 10,
        "space": spaces.Euclidean,
        "teacher": teachers.Shared,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.Euclidean,
        "objective.temperature": 1.0,
        "optimizer": optimizers.Adam,
        "optimizer.rate": 3e-3,
        "schedule": schedules.WarmupCosine,
        "batch": 256,
        "steps": 600,
    }
