"""The online probe: a linear read-out trained beside the encoder, on features it cannot change."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from kontrast.datasets import Dataset
from kontrast.draws import derive
from kontrast.probes.targets import encode
from kontrast.training.distributed import gather
from kontrast.views import Things

RATE = 1e-2


class OnlineProbe(nn.Module):
    """Batch-normalized features -> linear -> labels (cross-entropy) or factors (squared error), by its own Adam.

    It is given detached features, so the encoder is bit for bit what it would have been without the probe. Its score
    on held-out rows, accuracy or mean R2 over factors, is for watching, not for choosing.
    """

    def __init__(self, dataset: Dataset, features: int, seed: int) -> None:
        super().__init__()
        self.classes, self.factors = dataset.classes, dataset.factors
        self.metric = "online/accuracy" if self.classes else "online/r2"
        width = len(self.classes) or encode(torch.zeros(1, len(self.factors)), self.factors)[0].shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "online"))
            self.read = nn.Sequential(nn.BatchNorm1d(features, affine=False), nn.Linear(features, width))
        self.optimizer = torch.optim.Adam(self.parameters(), lr=RATE)

    def learn(self, features: Tensor, things: Things) -> None:
        """One step on the features [n, f] of one batch; on those of all processes, where there are several."""
        guess = self.read(gather(features.detach().float()))
        loss = self._loss(guess, gather(self._answers(things)))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    @torch.no_grad()
    def score(self, held_out: Iterator[tuple[Tensor, Things]]) -> float:
        """Accuracy, or R2 averaged over the factors that vary, on features of rows that nothing was trained on."""
        self.eval()
        guesses, answers = [], []
        for features, things in held_out:
            guesses.append(self.read(features.float()))
            answers.append(self._answers(things))
        self.train()
        guess, answer = torch.cat(guesses), torch.cat(answers)
        if self.classes:
            labeled = answer >= 0
            return float((guess.argmax(1) == answer)[labeled].float().mean())
        error, variance = (guess - answer).square().mean(0), answer.var(0, correction=0)
        slices = encode(torch.zeros(1, len(self.factors)), self.factors)[1]
        explained = 1 - error / variance
        scores = [explained[columns].mean() for columns in slices.values() if bool((variance[columns] > 1e-12).all())]
        return float(torch.stack(scores).mean()) if scores else 0.0

    def _answers(self, things: Things) -> Tensor:
        if self.classes:
            assert things.labels is not None
            return things.labels
        assert things.latents is not None
        return encode(things.latents, self.factors)[0]

    def _loss(self, guess: Tensor, answer: Tensor) -> Tensor:
        if not self.classes:
            return functional.mse_loss(guess, answer)
        total = functional.cross_entropy(guess, answer, ignore_index=-1, reduction="sum")
        return total / (answer >= 0).sum().clamp_min(1)
