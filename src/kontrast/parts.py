"""Parts: the frozen values an experiment is made of, found by their class names.

A part is a `chz` class that derives from the abstract class of its family (`Space`, `Similarity`, `Objective`,
...). The class is its own configuration: its fields are the options, their `doc` is the help text, and its name
is what the command line and `experiment.json` say. Names resolve through the family alone, never through an
import, so a configuration file cannot name code.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import chz
from chz.factories import MetaFromString


class Part:
    """Something an experiment is made of. Subclass a family, not this class."""


def known(family: type) -> dict[str, type]:
    """The concrete parts of a family by name, in alphabetical order."""
    found: dict[str, type] = {}
    queue = [family]
    while queue:
        cls = queue.pop()
        queue.extend(cls.__subclasses__())
        if chz.is_chz(cls) and not inspect.isabstract(cls) and not cls.__name__.startswith("_"):
            found[cls.__name__] = cls
    return dict(sorted(found.items()))


def choose(name: str, names: Iterable[str], what: str) -> str:
    """`name` itself when it is one of `names`; otherwise a ValueError that says which one may have been meant."""
    names = list(names)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    lower = [other for other in names if other.lower() == name.lower()]
    hint = f"did you mean {(lower or near)[0]!r}?" if lower or near else f"write one of {', '.join(names)}"
    raise ValueError(f"there is no {what} named {name!r}; {hint}")


def resolve(family: type, name: str) -> type:
    """The class called `name` in a family; a ValueError with the nearest name otherwise."""
    return known(family)[choose(name, known(family), family.__name__.lower())]


class Named(chz.factories.standard):
    """Lets a command line choose a part of a family by name, and by nothing else."""

    def __init__(self, family: type, default: Callable[..., Any]) -> None:
        super().__init__(unspecified=default)
        self.family = family

    def from_string(self, factory: str) -> Callable[..., Any]:
        try:
            return resolve(self.family, factory)
        except ValueError as error:
            raise MetaFromString(str(error)) from None


def field(family: type, default: type | None, *, unspecified: type | None = None, doc: str = "") -> Any:
    """A field of a part that holds another part of `family`.

    `default` is the class whose plain instance is the field's value unless another is given; with None the field
    is empty by default, and `unspecified` is the class meant by `field.option=value` alone.
    """
    meta = Named(family, unspecified or default or family)
    if default is None:
        return chz.field(default=None, meta_factory=meta, doc=doc)
    return chz.field(default_factory=default, meta_factory=meta, doc=doc)


def summary(cls: type) -> str:
    """The first sentence of a part's docstring: what it is."""
    text = inspect.getdoc(cls) or ""
    return text.split("\n\n")[0].replace("\n", " ").strip()
