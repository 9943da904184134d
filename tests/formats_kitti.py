"""KITTI Masks as it was published: a pickle of lists of masks and of their latents."""

import pickle
from pathlib import Path

import numpy as np

LENGTHS = (6, 5, 9, 4, 7)


def films(lengths=LENGTHS, seed=0):
    """Boxes of 30 pixels and more that stand anywhere, and their centers of mass and areas."""
    draw, masks, latents = np.random.default_rng(seed), [], []
    for length in lengths:
        film = np.zeros((length, 64, 64), bool)
        for frame in film:
            (top, left), (height, width) = draw.integers(0, 30, 2), draw.integers(6, 30, 2)
            frame[top : top + height, left : left + width] = True
        masks.append(film)
        places = [np.argwhere(frame) for frame in film]
        latents.append(np.array([(*place.mean(0), len(place)) for place in places], np.float32))
    return {"pedestrians": masks, "pedestrians_latents": latents}


def kitti(root: Path, content=None, protocol=3) -> Path:
    """The folder of the pickle; the published one has protocol 3, that of Python 3.6."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "kitti_peds_v2.pickle").write_bytes(pickle.dumps(films() if content is None else content, protocol))
    return root
