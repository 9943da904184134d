"""Methods that invert a generating process: observations whose latents are near must agree."""

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
def inversion() -> Values:
    """Observations whose latents are near must agree, which recovers the latents up to rotation (arXiv 2102.08850)."""
    return {
        "data": datasets.Mixing,
        "data.space": spaces.Sphere,
        "pairing": pairings.Conditional,
        "pairing.similarity": similarities.Cosine,
        "pairing.temperature": 0.1,
        "encoder": encoders.ResidualMlp,
        "head": heads.Linear,
        "space": spaces.Sphere,
        "teacher": teachers.Shared,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.Cosine,
        "objective.temperature": 1.0,
        "objective.learn_temperature": True,
        "objective.candidates": "anchors",
        "optimizer": optimizers.Muon,
        "optimizer.rate": 1e-2,
        "learned_rate": 2.0,
        "schedule": schedules.WarmupLinear,
        "batch": 512,
        "steps": 1500,
    }


@Method
def cl_ica() -> Values:
    """The defaults of main_mlp.py (arXiv 2102.08850): weeks on a processor; `inversion` takes seconds."""
    return {
        "data": datasets.Mixing,
        "data.space": spaces.Box,
        "pairing": pairings.Conditional,
        "pairing.similarity": similarities.Lp,
        "pairing.similarity.p": 2.0,
        "pairing.temperature": 0.005,
        "pairing.symmetric": False,
        "encoder": encoders.Mlp,
        "head": heads.Linear,
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
        "batch": 6144,
        "steps": 300_003,
    }
