"""The vectors that golden values are stated for: A_ij = sin(1 + 4i + j) + .3 cos(ij) and two views of it, float64."""

import numpy as np
import torch

_i, _j = np.arange(6)[:, None], np.arange(4)[None, :]
_a = np.sin(1 + 4 * _i + _j) + 0.3 * np.cos(_i * _j)
A = torch.from_numpy(_a)
B = torch.from_numpy(_a + 0.5 * np.cos(0.7 + 2.3 * _i + 1.1 * _j))
C = torch.from_numpy(_a - 0.4 * np.sin(0.3 + 1.7 * _i + 0.9 * _j))
LABELS = torch.tensor([0, 1, 0, 2, 1, 0])
