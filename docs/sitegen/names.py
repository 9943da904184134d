"""What is public, and where its documentation stands."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import kontrast
from kontrast import parts
from kontrast.cli.catalog import FAMILIES

GROUPS = {
    "Experiments and runs": "kontrast experiment methods training run runs logged start checkpoints keeping",
    "Data and views": "datasets views pairings augmentations marginals draws tables",
    "Networks": "encoders heads model teachers optimizers schedules tuning encoding passes export",
    "Spaces, similarities, objectives": "spaces similarities objectives directional tiles",
    "Questions and scores": "probes examination comparing questions scores panels theory citing selfcheck",
    "Studies and reports": "studies results lab report gathering sheets",
    "Underneath": "parts blueprints words files text",
}
"""The modules of the reference, in the order in which one meets them."""
COMMANDS_ONLY = {"kontrast.cli", "kontrast.__main__"}


class Public(NamedTuple):
    """Something that a module offers: under which name, and what it is."""

    module: str
    name: str
    value: object
    doc: str

    @property
    def label(self) -> str:
        """The target of links to it."""
        kind = "class" if inspect.isclass(self.value) else "def" if inspect.isroutine(self.value) else "value"
        return f"{kind}-{self.module}-{self.name}"  # labels know no case, so that names alone could meet


def modules() -> list[str]:
    """Every public module: packages with the packages in them, and single files. ValueError for one without a group."""
    listed = [f"kontrast.{name}".removesuffix(".kontrast") for names in GROUPS.values() for name in names.split()]
    there = {
        f"kontrast.{m.name}" for m in pkgutil.iter_modules(kontrast.__path__) if not m.name.startswith("_")
    } - COMMANDS_ONLY
    if strays := there.symmetric_difference(set(listed) - {"kontrast"}):
        raise ValueError(f"GROUPS in {__file__} and the package disagree about {', '.join(sorted(strays))}")
    return [found for name in listed for found in (name, *_inner(name))]


def _inner(name: str) -> list[str]:
    module = importlib.import_module(name)
    if name == "kontrast" or not hasattr(module, "__path__"):
        return []
    inside = [f"{name}.{m.name}" for m in pkgutil.iter_modules(module.__path__) if m.ispkg]
    return [found for each in inside if _exports(each) for found in (each, *_inner(each))]


@functools.cache
def exports(module: str) -> list[Public]:
    """What a module offers: a package what its `__init__` names with `as` or defines, a file what it defines."""
    return [p for p in _exports(module) if p.doc or inspect.isclass(p.value) or inspect.isroutine(p.value)]


def _exports(module: str) -> list[Public]:
    loaded = importlib.import_module(module)
    found = []
    for name, home in _names(loaded):
        value = getattr(loaded, name)
        if not isinstance(value, ModuleType):
            found.append(Public(module, name, value, _doc(value, home, name)))
    return found


def _names(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Public names of a module's source, each with the module where it is defined."""
    body = _tree(module.__name__).body
    late = [each for node in body if isinstance(node, ast.If) for each in node.body]  # imported when first asked for
    for node in (*body, *late):
        if isinstance(node, ast.ImportFrom):
            again = [alias.name for alias in node.names if alias.name == alias.asname]
            yield from ((name, str(node.module)) for name in again)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            if not node.name.startswith("_"):
                yield node.name, module.__name__
        elif (name := _assigned(node)) and not name.startswith("_"):
            yield name, module.__name__


def _assigned(node: ast.stmt) -> str | None:
    target = (
        node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
    )
    return target.id if isinstance(target, ast.Name) else None


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8"))


def _doc(value: object, home: str, name: str) -> str:
    """The documentation of a class, function or method preset; for other values the string that follows them."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return (value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__) or ""
    body = _tree(home).body
    for node, after in itertools.pairwise(body):
        if _assigned(node) == name and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            return str(after.value.value)
    return str(value.__doc__) if type(value).__module__.startswith("kontrast") and "__doc__" in vars(value) else ""


@functools.cache
def documented() -> dict[int, Public]:
    """Everything public by its identity, at the first module that offers it and did not only pass it on."""
    found: dict[int, Public] = {}
    for module in [name for name in modules() if name != "kontrast"] + ["kontrast"]:
        for public in exports(module):
            key = id(public.value) if inspect.isclass(public.value) or callable(public.value) else id(public)
            found.setdefault(key, public)
    return found


def family_of(cls: type) -> str | None:
    """The page of the catalog that a part, or the class of a family, is on."""
    found = [name for name, family in FAMILIES.items() if inspect.isclass(cls) and issubclass(cls, family)]
    return found[0] if found else None


def shipped(family: type) -> dict[str, type]:
    """The parts of a family that come with kontrast."""
    return {name: cls for name, cls in parts.known(family).items() if cls.__module__.startswith("kontrast.")}


@functools.cache
def _targets() -> dict[str, str | None]:
    """Where a name leads: None where several things have it."""
    found: dict[str, set[str]] = {}
    for family, cls in FAMILIES.items():
        for name in shipped(cls):
            found.setdefault(name, set()).add(f"part-{family}-{name}")
    for public in documented().values():
        if public.name not in found or not any(label.startswith("part-") for label in found[public.name]):
            found.setdefault(public.name, set()).add(public.label)
    return {name: next(iter(labels)) if len(labels) == 1 else None for name, labels in found.items()}


def link(name: str) -> str | None:
    """The target of the name of a class that is public and unmistakable."""
    label = _targets().get(name) if name[:1].isupper() else None
    return f"#{label.lower()}" if label else None


def part_link(cls: type) -> str | None:
    """The target of a part in the catalog."""
    family = family_of(cls)
    if family is None:
        return link(cls.__name__)
    inside = cls in shipped(FAMILIES[family]).values()
    return f"#part-{family}-{cls.__name__}".lower() if inside else f"#family-{family}"
