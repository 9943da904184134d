"""Published files: what they are called, how long they are, and how one knows that one has the right thing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from kontrast.datasets.archives import Bounds

PIECE = 1 << 20


class Published(NamedTuple):
    """A file as its authors published it: its name, its length in bytes, its checksum, and where it can be had.

    `size` is 0 where nobody published one. `checksum` is "sha256:" or "md5:" and its digits, digits alone for sha256,
    or "git:" and the name that git gives to the content; empty where nobody published one: then that of what was
    downloaded is noted beside the file, and compared from then on. An archive also says what it `holds`, and which
    paths within its top folder are `needed`, with their lengths (0 for folders, and where any will do).
    """

    name: str
    size: int
    checksum: str
    urls: tuple[str, ...]
    holds: Bounds | None = None
    needed: Mapping[str, int] = MappingProxyType({})

    @property
    def kind(self) -> str:
        """How its checksum is taken: sha256, md5 or git; empty where there is none."""
        return (self.checksum.rpartition(":")[0] or "sha256") if self.checksum else ""

    def lies(self, folder: Path) -> Path | None:
        """Where it lies in a folder, as it was published or unpacked; None if it does not.

        An archive lies where its top folder does, which may be `folder` itself.
        """
        if self.holds is None:
            names = (self.name, self.name.removesuffix(".gz"))
            return next((folder / name for name in names if (folder / name).exists()), None)
        places = (folder / self.holds.top, folder)
        return next((place for place in places if all((place / name).exists() for name in self.needed)), None)

    def missing(self, folder: Path) -> list[str]:
        """What a folder lacks of it, in words."""
        if self.lies(folder):
            return []
        if self.holds is None:
            return [self.name]
        top = self.holds.top
        if not (folder / top).is_dir():
            return [f"the folder {top}"]
        return [f"{top}/{name}" for name in self.needed if not (folder / top / name).exists()]

    def wrong(self, path: Path) -> str:
        """What shows that a file is not this one; empty if it is, as far as anybody can know."""
        if self.size and (size := path.stat().st_size) != self.size:
            return f"it is not the file that was published (it has {size:,} bytes, not {self.size:,})"
        if self.kind:
            right = digest(path, self.kind) == self.checksum.rpartition(":")[2]
            return "" if right else f"it is not the file that was published (its {self.kind} differs)"
        note = noted(path)
        if note.is_file() and note.read_text("utf-8", "replace").split()[:1] != [digest(path, "sha256")]:
            return f"it is not the file that was downloaded (its sha256 is not the one noted in {note.name})"
        return ""

    def note(self, path: Path) -> bool:
        """Note the sha256 of a file beside it where nobody published one; whether there is such a note."""
        if not self.kind and not noted(path).exists():
            noted(path).write_text(f"{digest(path, 'sha256')}  {self.name}\n")
        return not self.kind


def noted(path: Path) -> Path:
    """Where the sha256 of a file is noted if nobody published one, as sha256sum writes it."""
    return path.with_name(f"{path.name}.sha256")


def digest(path: Path, kind: str) -> str:
    """The checksum of a file in hexadecimal digits: sha256, md5, or git's, which is the sha1 of length and content."""
    with path.open("rb") as opened:
        if kind != "git":
            return hashlib.file_digest(opened, kind).hexdigest()
        found = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        while piece := opened.read(PIECE):
            found.update(piece)
        return found.hexdigest()
