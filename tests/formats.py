"""Tiny data sets in the formats in which the real ones are published."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

WNIDS = ("n01443537", "n01629819", "n02124075")


def bytes_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def cifar10(root: Path, count: int = 6) -> Path:
    """The six files, `count` records in each."""
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        rows = bytes_of(count, 3073, seed=number)
        rows[:, 0] = (np.arange(count) + number) % 10
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\n")
    return folder


def cifar100(root: Path, count: int = 30) -> Path:
    folder = root / "cifar-100-binary"
    folder.mkdir(parents=True)
    for number, name in enumerate(("train", "test")):
        rows = bytes_of(count, 3074, seed=number)
        rows[:, 0], rows[:, 1] = np.arange(count) % 20, np.arange(count) % 100
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    return folder


def stl10(root: Path, count: int = 12) -> Path:
    """`count` pictures in each part, column by column, and labels 1 to 10."""
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for number, name in enumerate(("train", "test", "unlabeled")):
        (folder / f"{name}_X.bin").write_bytes(bytes_of(count, 3, 96, 96, seed=number).tobytes())
        if name != "unlabeled":
            (folder / f"{name}_y.bin").write_bytes(bytes(1 + row % 10 for row in range(count)))
    return folder


def picture(seed: int, *shape: int) -> bytes:
    written = io.BytesIO()
    Image.fromarray(bytes_of(*shape, seed=seed)).save(written, "JPEG", quality=95)
    return written.getvalue()


def tiny_imagenet(root: Path, count: int = 4) -> Path:
    """Three classes, one of them grayscale, with `count` pictures each for training and validation."""
    folder = root / "tiny-imagenet-200"
    (folder / "val/images").mkdir(parents=True)
    (folder / "test/images").mkdir(parents=True)
    (folder / "wnids.txt").write_text("\n".join(reversed(WNIDS)) + "\n")
    nouns = {WNIDS[0]: "goldfish, Carassius auratus", WNIDS[1]: "crane", WNIDS[2]: "crane", "n00000001": "entity"}
    (folder / "words.txt").write_text("".join(f"{wnid}\t{noun}\n" for wnid, noun in nouns.items()))
    lines = []
    for label, wnid in enumerate(WNIDS):
        images = folder / "train" / wnid / "images"
        images.mkdir(parents=True)
        (images.parent / f"{wnid}_boxes.txt").write_text("")
        shape = (64, 64) if label == 1 else (64, 64, 3)
        for number in range(count):
            (images / f"{wnid}_{number}.JPEG").write_bytes(picture(100 * label + number, *shape))
            name = f"val_{label * count + number}.JPEG"
            (folder / "val/images" / name).write_bytes(picture(100 * label + number + 50, *shape))
            lines.append(f"{name}\t{wnid}\t0\t0\t63\t63\n")
    (folder / "val/val_annotations.txt").write_text("".join(reversed(lines)))
    return folder


def imagenet(root: Path, wnids: tuple[str, ...] = WNIDS, count: int = 4) -> Path:
    """Folders train and val with a folder of pictures of several sizes for each class."""
    for label, wnid in enumerate(wnids):
        for part in ("train", "val"):
            folder = root / part / wnid
            folder.mkdir(parents=True)
            for number in range(count):
                seed = 100 * label + number + 50 * (part == "val")
                (folder / f"ILSVRC2012_{part}_{seed:08}.JPEG").write_bytes(picture(seed, 12 + number, 20, 3))
    return root


def parquet(root: Path, count: int = 12) -> Path:
    """Splits train and test as `datasets` writes them: pictures as bytes, labels as numbers of named classes.

    What `datasets` makes of them is kept beside them, not in the user's cache.
    """
    import datasets

    datasets.config.HF_DATASETS_CACHE = root / "cache"
    datasets.disable_progress_bars()
    (root / "data").mkdir(parents=True)
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    for seed, split in enumerate(("train", "test")):
        rows = [picture(100 * seed + number, 10, 14, 3) for number in range(count)]
        columns = {"image": [{"bytes": row, "path": None} for row in rows], "label": [n % 2 for n in range(count)]}
        table = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
        table.to_parquet(root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def packed(folder: Path) -> bytes:
    """A folder as .tar.gz."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        tar.add(folder, folder.name)
    return written.getvalue()


def zipped(folder: Path) -> bytes:
    """A folder as .zip, with entries for the folders, too."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path in [folder, *sorted(folder.rglob("*"))]:
            archive.write(path, path.relative_to(folder.parent))
    return written.getvalue()
