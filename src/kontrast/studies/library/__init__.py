"""Studies that come with kontrast, and studies in files of one's own: each a short Python file with a `study` in it."""

from __future__ import annotations

import importlib
import pkgutil
import runpy
from dataclasses import replace
from pathlib import Path

from kontrast import parts
from kontrast.studies.study import Study


def known() -> tuple[str, ...]:
    """The names of the studies that come with kontrast."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__)))


def is_named(name: str) -> bool:
    """Whether a word is the name of a study, or of a Python file."""
    return name in known() or name.endswith(".py")


def load(name: str) -> Study:
    """The study of that name, or in that file, under its name.

    ValueError for a name of none, and for a file that has no `study` or cannot be run.
    """
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise ValueError(f"there is no file {path}; give a file of Python with a study in it")
        try:
            found = runpy.run_path(str(path)).get("study")
        except (Exception, SystemExit) as error:
            raise ValueError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
        where, title = str(path), path.stem
    else:
        module = importlib.import_module(f"{__name__}.{parts.choose(name, known(), 'study')}")
        found, where, title = module.study, name, name
    if not isinstance(found, Study):
        raise ValueError(f"{where} has no study; write study = Study(question=..., method=..., settings=...) in it")
    return replace(found, title=found.title or title)
