"""The scores that a run's folder keeps: those of its last checkpoint, and apart from them those of each earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from kontrast import checkpoints
from kontrast.panels import Panel, read_panels, write_panels
from kontrast.scores import Score, read_scores, write_scores

LOCK = ".scores.lock"
PATIENCE = 60.0
"""Seconds to wait for another process that writes scores of the same run."""


def keep_scores(folder: Path, rows: list[Score], panels: Sequence[tuple[str, Panel]] = ()) -> Path:
    """Write scores of one checkpoint, with panels beside them, and give the file: others that were there stay.

    scores.json and panels.json are of the last checkpoint, and scores-STEP.json and panels-STEP.json of another. What
    they hold of a checkpoint that is no longer the last goes there first. A score takes the place of one of the same
    probe, by its name. ValueError if another process has been writing for a minute.
    """
    found = checkpoints.latest(folder / "checkpoints")[0]
    step = rows[0].step if rows else None
    last = found.step if found is not None else step
    try:
        with FileLock(folder / LOCK, timeout=PATIENCE):
            _set_apart(folder, last)
            suffix = "" if step in (None, last) else f"-{step}"
            return _add(folder, suffix, rows, panels)
    except Timeout:
        raise ValueError(
            f"another process has been writing scores of {folder} for {PATIENCE:g} seconds; ask again when it is done"
        ) from None


def _set_apart(folder: Path, last: int | None) -> None:
    """Move what scores.json and panels.json hold of other checkpoints than the last into files of their own."""
    rows, panels = _there(folder, "")
    old = dict.fromkeys(row.step for row in rows if row.step not in (None, last))
    for step in old:
        names = {row.probe for row in rows if row.step == step}
        _add(
            folder, f"-{step}", [row for row in rows if row.step == step], [each for each in panels if each[0] in names]
        )
    if old:
        stay = [row for row in rows if row.step not in old]
        gone = {row.probe for row in rows} - {row.probe for row in stay}
        write_panels(folder / "panels.json", [each for each in panels if each[0] not in gone])
        write_scores(folder / "scores.json", stay)


def _there(folder: Path, suffix: str) -> tuple[list[Score], list[tuple[str, Panel]]]:
    scores, panels = folder / f"scores{suffix}.json", folder / f"panels{suffix}.json"
    return read_scores(scores) if scores.exists() else [], read_panels(panels) if panels.exists() else []


def _add(folder: Path, suffix: str, rows: list[Score], panels: Sequence[tuple[str, Panel]]) -> Path:
    """Put scores and panels in the place of those of the same probes in a pair of files."""
    before, drawn = _there(folder, suffix)
    probed = {row.probe for row in rows} | {name for name, _ in panels}
    shown = [each for each in drawn if each[0] not in probed]
    path = folder / f"scores{suffix}.json"
    write_scores(path, [*(row for row in before if row.probe not in probed), *rows])
    if shown or panels or drawn:
        write_panels(folder / f"panels{suffix}.json", [*shown, *panels])
    return path
