"""What a run says before its first step."""

from __future__ import annotations

import torch

from kontrast.pairings.realized import sentence
from kontrast.training.distributed import ranks
from kontrast.training.trainer import Trainer


def heading(trainer: Trainer) -> list[str]:
    """A few lines: how much is shown in how many steps, by which processes and where, and the peak learning rate."""
    experiment = trainer.experiment
    shared = f" in {ranks()} processes of {trainer.rows}" if ranks() > 1 else ""
    passes = f", {trainer.micro} at once ({experiment.accumulation})" if trainer.micro else ""
    epochs = f", {trainer.per_epoch:,} an epoch" if trainer.per_epoch else ""
    begun = f", going on after step {trainer.step:,}" if trainer.step else ""
    lines = [
        f"{experiment.method}: batch {experiment.batch}{shared}{passes}; {trainer.steps:,} steps{epochs}{begun}",
        f"data: {trainer.source.place}; network: {experiment.precision} on {named(trainer.device)}",
        experiment.optimizer.describe(experiment.batch),
    ]
    if pairs := sentence(experiment.pairing, trainer.source):
        lines.append(pairs)
    if trainer.begun is not None:
        lines.append(
            f"starts with {len(trainer.begun.tensors)} tensors of {trainer.begun.run}, step {trainer.begun.step:,}"
        )
    if experiment.start is not None and experiment.start.frozen is not None:
        learned, every = (
            sum(p.numel() for p in some) for some in (trainer.learned, trainer.model.student.parameters())
        )
        lines.append(f"frozen up to {experiment.start.frozen}: {learned:,} of {every:,} numbers learn")
    if experiment.precision == "float16" and trainer.device.type == "cpu":
        lines.append("float16 is slow on a processor, and needs a scaled loss; precision=bfloat16 needs neither")
    return lines


def named(device: torch.device) -> str:
    """A device as people call it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
