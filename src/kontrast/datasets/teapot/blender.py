"""The faithful renderer: the scene in Blender's Cycles, which runs in a process of its own.

Blender is under the GPL, and is never imported here: `blender_scene.py` is run by a Python that has `bpy`, in a
temporary folder that goes when it ends. That Python is this one, or the one that $KONTRAST_BLENDER names, since a
release of bpy is made for one version of Python and may want an older NumPy than kontrast does.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from kontrast.datasets.teapot import scene
from kontrast.datasets.teapot.shells import shell

SCRIPT = Path(__file__).with_name("blender_scene.py")
VARIABLE = "KONTRAST_BLENDER"
MISSING = 77
"""The status with which the script ends where there is no bpy."""
PATIENCE = 120.0
SLOWEST = 1e-4
"""Seconds to wait for a picture: so many, and so many for each sample of a pixel, some fifty times what it takes."""
POLL = 0.25
GROUND_SIDE = 1500.0

What = Literal["picture", "coverage"]


class BlenderFailed(OSError):
    """Blender's process ended, or stood still, before all pictures were there."""


def photograph(
    latents: Tensor, shape: str, size: int, samples: int = 64, *, what: What = "picture", patience: float | None = None
) -> Tensor:
    """Pictures uint8 [n, 3, size, size] of latents [n, 10] in published units, rendered by Cycles and denoised.

    With `what` = "coverage" they are uint8 [n, 1, size, size]: 255 times the share of a pixel that the object covers.
    As many threads are used as torch may use. `patience` is how many seconds one picture may take.

    ModuleNotFoundError where there is no bpy; ValueError if $KONTRAST_BLENDER names no program; BlenderFailed if the
    process fails or stands still. Nothing of it stays behind.
    """
    if not len(latents):
        return torch.empty(0, 1 if what == "coverage" else 3, size, size, dtype=torch.uint8)
    if patience is None:
        patience = PATIENCE + SLOWEST * samples * size**2
    with tempfile.TemporaryDirectory(prefix="kontrast-blender-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _lay(folder, latents, shape, _job(size, samples, what))
        _run(folder, len(latents), patience)
        return _pictures(folder, len(latents), size, what)


def at_once(size: int, samples: int) -> int:
    """Pictures for which it is worth to start the process: some ten seconds' work, and 4 to 64 of them."""
    return max(4, min(64, 2**22 // (samples * size**2)))


def _lay(folder: Path, latents: Tensor, shape: str, job: dict[str, Any]) -> None:
    """Write what the script reads."""
    rows = latents.detach().cpu().numpy().astype(np.float64)
    rows[:, 7:] = rows[:, 7:] / math.tau % 1
    corners, triangles = shell(shape)
    for name, array in (("scenes", rows), ("corners", corners), ("faces", triangles)):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")


def _job(size: int, samples: int, what: What) -> dict[str, Any]:
    """The numbers of the scene and of the picture, as the script reads them."""
    return {
        "what": what,
        "size": size,
        "samples": samples,
        "threads": torch.get_num_threads(),
        "camera": scene.CAMERA,
        "lens": scene.LENS,
        "sensor": scene.SENSOR,
        "ground_side": GROUND_SIDE,
        "ground": scene.GROUND,
        "lift": scene.LIFT,
        "sun": {"energy": scene.SUN, "angle": scene.SUN_ANGLE},
        "area": {"energy": scene.AREA, "shape": "SQUARE", "size": scene.AREA_SIDE},
        "area_place": scene.AREA_PLACE,
        "spot": {
            "energy": scene.SPOT,
            "spot_size": scene.SPOT_ANGLE,
            "spot_blend": scene.SPOT_BLEND,
            "shadow_soft_size": scene.SPOT_SIZE,
        },
        "spot_radius": scene.SPOT_RADIUS,
        "spot_height": scene.SPOT_HEIGHT,
        "saturation": scene.SATURATION,
        "velvet": scene.VELVET,
        "velvet_index": scene.VELVET_INDEX,
        "gloss": math.sqrt(scene.GLOSS),  # Blender squares it
        "gloss_index": scene.GLOSS_INDEX,
        "gloss_gray": scene.GLOSS_GRAY,
    }


def _run(folder: Path, count: int, patience: float) -> None:
    """Run the script until it ends, or one picture takes longer than `patience`."""
    program = os.environ.get(VARIABLE) or sys.executable
    log = folder / "log.txt"
    with log.open("wb") as out:
        try:
            # In a session of its own a signal to this process's group does not end it before it has tidied up.
            process = subprocess.Popen(
                [program, "-P", str(SCRIPT), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=folder,
                env={**os.environ, "TMPDIR": str(folder)},
                start_new_session=True,
            )
        except OSError as error:
            raise ValueError(f"${VARIABLE} is {program}, which cannot be run ({error.strerror})") from error
        try:
            status = _wait(process, folder, count, patience)
        finally:
            process.kill()
            process.wait()
    if status:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1].strip() if lines else "it said nothing"
        if status == MISSING:
            raise ModuleNotFoundError(
                f"renderer=blender needs Blender's bpy: pip install 'kontrast[blender]', let ${VARIABLE} name a Python "
                f"that has it, or leave out renderer ({last})"
            )
        how = f"signal {-status}" if status < 0 else f"status {status}"
        raise BlenderFailed(f"Blender's process ended with {how} ({last}); nothing of this block was kept")


def _wait(process: subprocess.Popen[bytes], folder: Path, count: int, patience: float) -> int:
    done, since = 0, time.monotonic()
    while True:
        try:
            return process.wait(min(POLL, patience))
        except subprocess.TimeoutExpired:
            now = time.monotonic()
            while done < count and (folder / f"{done:06d}.png").exists():
                done, since = done + 1, now
            if now - since > patience:
                raise BlenderFailed(
                    f"Blender stood still for {patience:.0f} seconds at picture {done + 1} of {count}, and was ended; "
                    "nothing of this block was kept"
                ) from None


def _pictures(folder: Path, count: int, size: int, what: What) -> Tensor:
    from PIL import Image

    mode, channels = ("RGBA", slice(3, 4)) if what == "coverage" else ("RGB", slice(0, 3))
    found = np.empty((count, size, size, channels.stop - channels.start), np.uint8)
    for row in range(count):
        try:
            with Image.open(folder / f"{row:06d}.png", formats=("PNG",)) as image:
                picture = np.asarray(image)
        except OSError as error:
            raise BlenderFailed(
                f"Blender left no picture {row + 1} of {count}; nothing of this block was kept"
            ) from error
        if image.mode != mode or picture.shape[:2] != (size, size):
            raise BlenderFailed(f"Blender left a picture of {image.mode} {picture.shape}, not {mode} {size} x {size}")
        found[row] = picture[..., channels]
    return torch.from_numpy(found).permute(0, 3, 1, 2).contiguous()
