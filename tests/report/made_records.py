"""Made-up runs that look like real ones: sprites with known factors, classes of pictures, and vectors."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from kontrast.panels import Bars, Curves, Heat, Line, Panel, Points
from kontrast.report import Record
from kontrast.scores import Score

Factor = namedtuple("Factor", "name kind low high")
SPRITES = (
    Factor("shape", "discrete", 0, 2),
    Factor("scale", "continuous", 0.5, 1.0),
    Factor("orientation", "periodic", 0.0, 2 * np.pi),
    Factor("position x", "continuous", 0.0, 1.0),
    Factor("position y", "continuous", 0.0, 1.0),
)
WORDS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RIDGE = "ridge regression, penalty by 5-fold cross-validation on 8,000 rows, scored on 2,000 others"
LINEAR = "logistic regression by L-BFGS on the frozen features of 50,000 rows, scored on 10,000 others; no augmentation"
NEAREST = "20 nearest by cosine, votes weighed by exp(cosine / 0.07)"


def draw(latents: np.ndarray, size: int = 64) -> np.ndarray:
    """White shapes (square, ellipse, heart) on black, uint8 [n, size, size]."""
    grid = (np.arange(size) + 0.5) / size
    shape, scale, angle, x, y = latents.T[:, :, None, None]
    u, v = grid[None, None, :] - (0.25 + 0.5 * x), grid[None, :, None] - (0.25 + 0.5 * y)
    a = (np.cos(angle) * u + np.sin(angle) * v) / (0.2 * scale)
    b = (-np.sin(angle) * u + np.cos(angle) * v) / (0.2 * scale)
    square = np.maximum(abs(a), abs(b)) < 0.8
    ellipse = a**2 + (b / 0.55) ** 2 < 1
    heart = (a**2 + b**2 - 0.6) ** 3 + a**2 * b**3 < 0
    return np.where(np.select([shape == 0, shape == 1], [square, ellipse], heart), 255, 0).astype(np.uint8)


def curve(steps: int, every: int, parts: dict[str, tuple[float, float]], online: bool) -> list[dict[str, float]]:
    """Rows of metrics.jsonl that fall as losses do, with noise."""
    rng, rows = np.random.default_rng(1), []
    for step in range(0, steps, every):
        done = 1 - np.exp(-6 * step / steps)
        row: dict[str, float] = {"step": step, "epoch": step / 200}
        values = {k: a + (b - a) * done + 0.06 * rng.normal() for k, (a, b) in parts.items()}
        row |= {"loss": sum(values.values())} | {f"loss/{k}": v for k, v in values.items()}
        row["rate"] = 1e-3 * min(1, step / (0.05 * steps)) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        row["images_per_second"] = 4100 + 160 * rng.normal() - (1800 if step == 0 else 0)
        row["waiting"] = abs(0.01 * rng.normal())
        if online and step % (every * 20) == 0:
            row["online/accuracy"] = 0.3 + 0.5 * done + 0.01 * rng.normal()
        rows.append(row)
    return rows


def panels() -> list[tuple[str, Panel]]:
    """One of every kind, of several probes."""
    x = np.linspace(-1, 1, 30)
    change = np.array([[-0.4, 0.02, -0.1], [0.05, np.nan, -0.02]])
    words = ("augmentation", "factor", "over 3 seeds")
    effects = Heat("change", ("crop", "flip"), ("scale", "x", "y"), change, change - 0.1, change + 0.1, 0.0, *words)
    lines = tuple(Line(name, x, np.exp(-8 * (x - at) ** 2)) for name, at in (("positive", 0.5), ("negative", -0.2)))
    spectrum = [
        Line(name, np.arange(1, 60), np.arange(1.0, 60) ** -power) for name, power in (("trained", 1), ("raw input", 2))
    ]
    band = Line("entropy", x + 1, 1 - x**2, 0.9 - x**2, 1.1 - x**2)
    importances = np.random.default_rng(4).gamma(0.3, size=(40, 30))
    return [
        ("PairSimilarity", Curves("cosine of pairs", "cosine", "density", lines, filled=True)),
        ("Effects", effects),
        ("DCI", Heat("importances", [f"z{i}" for i in range(40)], [f"f{i}" for i in range(30)], importances)),
        ("Spectrum", Curves("spectrum", "rank", "eigenvalue", tuple(spectrum), "xy")),
        ("Uncertainty", Curves("calibration", "confidence", "accuracy", (band,), diagonal=True)),
        ("Uncertainty", Bars("AUROC", ("entropy", "norm"), (0.9, 0.6), (0.8, 0.5), (1.0, 0.7), {"chance": 0.5}, "y")),
        ("Map method=umap", Points("UMAP", x, x**2, np.arange(30) % 2, ("a", "b"), "class")),
        ("Map method=umap", Points("UMAP", x, x**2, x, (), "scale")),
    ]  # fmt: skip


def sprites(**changes: Any) -> Record:
    rng = np.random.default_rng(0)
    low, high = np.array([f.low for f in SPRITES]), np.array([f.high for f in SPRITES])
    latents = low + (high - low) * rng.random((2000, 5))
    latents[:, 0] = rng.integers(0, 3, 2000)
    unit = (latents - low) / (high - low)
    angle = latents[:, 2]
    seen = np.stack([unit[:, 1], 0.9 * np.cos(angle), 0.9 * np.sin(angle), unit[:, 3] * 2, unit[:, 4] * 2], axis=1)
    embedding = (seen - seen.mean(0)) @ rng.normal(size=(5, 8)) * 0.4 + 0.05 * rng.normal(size=(2000, 8))
    numbers = {
        "scale": (0.967, 0.412),
        "orientation": (0.931, 0.103),
        "position x": (0.991, 0.823),
        "position y": (0.989, 0.811),
    }
    scores = [Score("Recovery", "r2/mean", 0.9695, 0.537, -0.004, 0.481, protocol=RIDGE, seeds=3, deviation=0.006)]
    scores += [Score("Recovery", "accuracy/shape", 0.612, 0.552, 0.334, 0.497, 0.333, RIDGE, 3, 0.021)]
    scores += [
        Score("Recovery", f"r2/{name}", a, b, -0.002, b - 0.05, protocol=RIDGE, seeds=3, deviation=0.004 + (1 - a) / 5)
        for name, (a, b) in numbers.items()
    ]
    match = "best one-to-one assignment of dimensions to factors, chosen on the training rows"
    scores += [
        Score("MCC", f"mcc/{kind}", v, v - 0.3, 0.03, protocol=match)
        for kind, v in (("pearson", 0.713), ("spearman", 0.702))
    ]
    scores += [Score("Collapse", "effective_rank", 5.83, 6.91, protocol="exponential of the entropy of the spectrum")]
    moved = latents[:12].copy()
    moved[:, 1:] += 0.05 * rng.normal(size=(12, 4))
    values = {
        "title": "Sprites: inverting the generating process with Lp pairs",
        "command": "kontrast train inversion data=Sprites space=Box data.space=Box pairing.similarity=Lp "
        "pairing.similarity.p=1 objective.similarity=Lp objective.similarity.p=1 steps=20000 seed=0 out=runs/sprites",
        "experiment": {
            "data": "Sprites", "data.size": 64, "data.factors": "shape, scale, orientation, x, y",
            "pairing": "Conditional", "pairing.similarity": "Lp", "pairing.similarity.p": 1,
            "pairing.temperature": 0.05,
            "encoder": "Conv", "encoder.widths": "32, 64, 128, 256", "head": "MLP", "head.widths": "256, 8",
            "space": "Box", "space.low": 0.0, "space.high": 1.0, "teacher": "Shared",
            "objective": "InfoNCE", "objective.temperature": 0.1, "objective.similarity": "Lp",
            "objective.similarity.p": 1, "optimizer": "Adam", "optimizer.rate": 0.001, "optimizer.weight_decay": 0.0,
            "batch": 512, "steps": 20000, "seed": 0,
        },
        "environment": {
            "kontrast": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6", "python": "3.11.7",
            "device": "cuda:0 NVIDIA H200", "precision": "bfloat16", "threads": 8, "commit": "4f0c2e91ab7d",
            "data": {"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        },
        "metrics": curve(20000, 20, {"alignment": (0.3, 0.12), "uniformity": (5.9, 3.4)}, online=False),
        "scores": scores, "embedding": embedding, "latents": latents, "factors": SPRITES,
        "pictures": draw(latents[:400]), "pairs": (draw(latents[:12]), draw(moved)), "panels": panels(),
    }  # fmt: skip
    return Record(**{**values, **changes})


def photos(labels: np.ndarray, rng: np.random.Generator, size: int = 32) -> np.ndarray:
    """Colored gratings and blobs that look alike within a class, uint8 [n, size, size, 3]."""
    grid = np.linspace(-1, 1, size)
    u, v = np.meshgrid(grid, grid)
    angle, phase = labels * 0.63, rng.random(len(labels)) * 6
    wave = np.sin(4 * (np.cos(angle)[:, None, None] * u + np.sin(angle)[:, None, None] * v) + phase[:, None, None])
    blob = np.exp(-4 * ((u - rng.normal(0, 0.3, len(labels))[:, None, None]) ** 2 + v**2))
    color = 0.5 + 0.4 * np.cos(labels[:, None] * 1.3 + np.array([0, 2, 4]))
    pictures = color[:, None, None] * (0.6 + 0.3 * wave[..., None]) + 0.35 * blob[..., None]
    return (255 * np.clip(pictures + 0.03 * rng.normal(size=pictures.shape), 0, 1)).astype(np.uint8)


def classification(**changes: Any) -> Record:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 10, 3000)
    embedding = rng.normal(size=(10, 128))[labels] + 0.8 * rng.normal(size=(3000, 128))
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    pictures = photos(labels[:500], rng)
    flipped = np.clip(pictures[:12, :, ::-1] * rng.uniform(0.6, 1.3, (12, 1, 1, 3)), 0, 255).astype(np.uint8)
    scores = [
        Score("Linear", "accuracy", 0.8531, 0.4213, 0.0998, 0.3962, 0.1, LINEAR, 5, 0.0041),
        Score("Linear", "top5", 0.9912, 0.8764, 0.5013, 0.8611, 0.5, LINEAR, 5, 0.0007),
        Score("KNN", "accuracy", 0.8312, 0.3344, None, 0.3387, 0.1, NEAREST),
        Score("Collapse", "effective_rank", 71.24, 18.9, protocol="exponential of the entropy of the singular values"),
        Score("Collapse", "dead", 0.0, 0.0, protocol="share of dimensions with variance under 1e-8"),
    ]  # fmt: skip
    values = {
        "title": "SimCLR on CIFAR-10",
        "command": "kontrast train simclr data=CIFAR10 encoder=ResNet18 epochs=200 seed=0 out=runs/simclr",
        "experiment": {
            "objective": "InfoNCE", "objective.temperature": 0.5, "objective.similarity": {"type": "Cosine"},
            "pairing": "Augmented", "pairing.crop": [0.2, 1.0], "pairing.flip": 0.5, "pairing.color": "ColorJitter",
            "pairing.gray": 0.2, "pairing.blur": None,
            "space": "Sphere", "teacher": "Shared", "encoder": "ResNet18", "encoder.stem": "cifar", "data": "CIFAR10",
            "batch": 512, "epochs": 200, "seed": 0,
        },
        "environment": {"kontrast": "0.1.0", "torch": "2.13.0", "device": "cuda:0 NVIDIA H200", "seconds": 1873.2},
        "metrics": curve(19600, 20, {"alignment": (-0.2, -1.7), "uniformity": (6.3, 6.0)}, online=True),
        "scores": scores, "embedding": embedding, "labels": labels, "classes": WORDS,
        "pictures": pictures, "pairs": (pictures[:12], flipped),
    }  # fmt: skip
    return Record(**{**values, **changes})
