"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import chz
import numpy as np
import torch

from kontrast.datasets.dataset import Stored
from kontrast.views import Split, Things

TEST = 0.25
BRIGHTEST = 16


@chz.chz
class Digits(Stored):
    """Optical digits: 1,797 handwritten digits, 8 x 8, grayscale, that need no download.

    Observations are uint8 [n, 1, 8, 8], labels int64 [n] in 0..9; the published brightness 0..16 is scaled to
    0..255 and rounded. A quarter of the rows, 450, are the test split: scikit-learn's `train_test_split`, stratified by
    label, with random_state 0; both splits keep the published order. They are the test half of UCI's "Optical
    recognition of handwritten digits" (Alpaydin and Kaynak 1998), as `sklearn.datasets.load_digits` has them.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        return 1, 8, 8

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(digit) for digit in range(10))

    def read(self, split: Split) -> Things:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        everything = np.arange(len(digits.target))
        rows = train_test_split(everything, test_size=TEST, random_state=0, stratify=digits.target)
        mine = np.sort(rows[("train", "test").index(split)])
        pictures = np.rint(digits.images[mine] * (255 / BRIGHTEST)).astype(np.uint8)
        labels = torch.from_numpy(digits.target[mine]).long()
        return Things(torch.from_numpy(pictures)[:, None], torch.arange(len(mine)), 0, labels)
