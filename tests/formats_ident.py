"""3DIdent, Causal3DIdent and Multimodal3DIdent with few and small pictures, in the layouts that were published."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

PHRASES = (
    'A {} of "tab:blue" color is visible, positioned at the {}-{} of the image.',
    'A "tab:blue" {} is at the {}-{} of the image.',
)


def pictures(folder: Path, count: int, seed: int, size: int = 8) -> None:
    """Different pictures, named as the publishers name them."""
    folder.mkdir(parents=True)
    values = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)
    width = math.ceil(math.log10(count))
    for number, shown in enumerate(values):
        Image.fromarray(shown).save(folder / f"{str(number).zfill(width)}.png")


def spherical(x: np.ndarray) -> np.ndarray:
    """The angles [n, d - 1] of unit vectors [n, d], one at a time, as 3DIdent's code defines them."""
    found = np.empty((len(x), x.shape[1] - 1))
    for row, vector in enumerate(x):
        for k in range(x.shape[1] - 1):
            length = math.sqrt(sum(float(v) ** 2 for v in vector[k:]))
            found[row, k] = math.acos(max(-1, min(1, float(vector[k]) / length)))
        if vector[-1] <= 0:
            found[row, -1] = 2 * math.pi - found[row, -1]
    return found


def split_3dident(folder: Path, count: int, seed: int, periodic: bool = False) -> Path:
    """A split of 3DIdent: raw_latents.npy, latents.npy and images."""
    draw = np.random.default_rng(seed)
    pictures(folder / "images", count, seed)
    raw = draw.uniform(-1, 1, (count, 11 if periodic else 10)).astype(np.float32)
    latents = raw * np.array([3] * 3 + [np.pi / 2] * (raw.shape[1] - 3), np.float32)
    if periodic:
        raw[:, 3:] /= np.linalg.norm(raw[:, 3:], axis=1, keepdims=True)
        angles = spherical(raw[:, 3:])
        angles[:, :-1] *= 2
        position = raw[:, :3] * 3
        position[:, 2] = (raw[:, 2] + 1) / 2 * 3
        latents = np.concatenate((position, angles), 1).astype(np.float32)
    np.save(folder / "raw_latents.npy", raw)
    np.save(folder / "latents.npy", latents)
    return folder


def threedident(root: Path, train: int = 24, test: int = 12, periodic: bool = False) -> Path:
    """The folder 3dident with train and test."""
    for seed, (split, count) in enumerate((("train", train), ("test", test))):
        split_3dident(root / "3dident" / split, count, seed, periodic)
    return root / "3dident"


def causal3dident(root: Path, count: int = 3) -> Path:
    """trainset and testset, with `count` pictures of each object, of some one more."""
    for part, name in enumerate(("trainset", "testset")):
        for k in range(7):
            seed, rows = 10 * part + k, count + k % 2
            pictures(root / name / f"images_{k}", rows, seed)
            raw = np.random.default_rng(seed).uniform(-1, 1, (rows, 10)).astype(np.float32)
            np.save(root / name / f"raw_latents_{k}.npy", raw)
    return root


def multimodal3dident(root: Path, count: int = 14) -> Path:
    """The folder m3di with train, val and test."""
    for seed, split in enumerate(("train", "val", "test")):
        folder = root / "m3di" / split
        pictures(folder / "images", count, seed)
        draw = np.random.default_rng(seed)
        shape, xpos, ypos = np.arange(count) % 7, draw.integers(0, 3, count), draw.integers(0, 3, count)
        free = draw.uniform(0, 1, (count, 7))
        names = ["alpharot", "betarot", "gammarot", "color"]
        columns = ["object_shape,object_xpos,object_ypos,object_zpos," + ",".join(f"object_{name}" for name in names)]
        columns[0] += ",spotlight_pos,spotlight_color,background_color"
        texts = ["object_shape,object_xpos,object_ypos,object_zpos,object_color_name,object_color_index,text_phrasing"]
        said = []
        for row in range(count):
            where = f"{shape[row]},{xpos[row]},{ypos[row]},0.0"
            columns.append(f"{where},{','.join(map(repr, free[row].tolist()))}")
            texts.append(f"{where},tab:blue,{1000 + row},{row % 5}")
            said.append(PHRASES[row % 2].format(shape[row], ypos[row], xpos[row]))
        (folder / "latents_image.csv").write_text("\n".join(columns) + "\n")
        (folder / "latents_text.csv").write_text("\n".join(texts) + "\n")
        (folder / "text").mkdir()
        (folder / "text/text_raw.txt").write_text("\n".join(said))
    return root / "m3di"
