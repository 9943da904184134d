"""The catalog: every part and every method, from their classes alone."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any

import chz
from chz.field import MISSING_TYPE

from kontrast import citing, methods, parts
from kontrast.augmentations.recipe import SLOTS, Recipe
from kontrast.cli.catalog import FAMILIES
from kontrast.cli.main import COMMANDS
from kontrast.experiment import Experiment
from kontrast.methods.published import SETTINGS
from kontrast.probes import Comparison, Probe
from kontrast.tuning import Tuning
from sitegen.names import link, part_link, shipped
from sitegen.outline import toctree
from sitegen.prose import code, inline, markdown, row

ASKED = (Probe, Tuning, Comparison)
"""Families whose parts are asked for by name, not held by an experiment."""


def overview() -> str:
    """A table of the pages: one for each family, the methods, the experiment and the commands."""
    others = {
        "methods": f"{len(methods.known())} methods, by what they fill in",
        "settings": f"{len(SETTINGS)} settings that were published for a data set",
        "experiment": "what an experiment itself has, beside its parts",
        "commands": f"{len(COMMANDS)} commands and what each takes",
    }
    rows = [row(f"[{name}](catalog/{name}.md)", text) for name, text in others.items()]
    for family, cls in FAMILIES.items():
        count = len(shipped(cls))
        rows.append(row(f"[{family}](catalog/{family}.md)", f"{count} parts. {inline(parts.summary(cls), link)}"))
    return "\n".join(
        ["| page | what |", "|---|---|", *rows, "", toctree([f"catalog/{name}" for name in [*others, *FAMILIES]])]
    )


def pages() -> dict[str, str]:
    """Every page of the catalog by its name."""
    found = {family: family_page(family) for family in FAMILIES}
    return {"methods": method_page(), "settings": settings_page(), "experiment": experiment_page()} | {
        "commands": commands_page(),
        **found,
    }


def family_page(family: str) -> str:
    """The page of a family: what it is, how one of its parts is chosen, and each of them with its fields."""
    cls = FAMILIES[family]
    there = shipped(cls)
    table = [
        row(code(name, lambda n: part_link(there[n])), inline(parts.summary(part), link))
        for name, part in there.items()
    ]
    head = [f"(family-{family})=\n# {family.capitalize()}", markdown(cls.__doc__ or "", link), _choosing(cls)]
    head.append("\n".join(["| part | what it is |", "|---|---|", *table]))
    return "\n\n".join([*head, *(_part(family, part) for part in there.values())]) + "\n"


def _part(family: str, cls: type) -> str:
    path = where(cls)
    said = [f"(part-{family}-{cls.__name__})=\n## {cls.__name__}", markdown(inspect.getdoc(cls) or "", link)]
    if sources := [line.rpartition(": ")[0] for line in citing.cited([cls])]:
        said.append(f"Source: {'; '.join(inline(source) for source in sources)}.")
    said += [_written(cls, path), fields(cls, path)]
    return "\n\n".join(filter(None, said))


def fields(cls: type, path: str) -> str:
    """The fields of a part as one writes them at a place of an experiment: type, default and meaning of each."""
    rows = []
    for name, field in chz.chz_fields(cls).items():
        word = f"{path}.{name}" if path else name
        kind = _kind(field.x_type)
        rows.append(row(code(word), kind, _default(field), inline(str(field._doc), link)))
    return (
        "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows]) if rows else "It has no fields."
    )


def _kind(kind: Any) -> str:
    """A type in words of Markdown."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return ", ".join(code(str(each)) for each in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(each) for each in inner)
    if origin is tuple and inner:
        return f"{_kind(inner[0])}, ..." if inner[-1] is Ellipsis else ", ".join(_kind(each) for each in inner)
    if origin is not None:
        return code(str(kind))
    if kind in (type(None), None):
        return "`None`"
    name = getattr(kind, "__name__", str(kind))
    return code(name, lambda _: part_link(kind) if name[:1].isupper() and isinstance(kind, type) else None)


def _default(field: Any) -> str:
    if not isinstance(field._default, MISSING_TYPE):
        return _value(field._default)
    made = field._default_factory
    if isinstance(made, MISSING_TYPE):
        return "must be given"
    if isinstance(made, functools.partial):
        own = " ".join(f"{name}={value}" for name, value in made.keywords.items())
        return f"{_default_part(made.func)} {code(own)}".strip() if own else _default_part(made.func)
    return _default_part(made) if inspect.isclass(made) else _value(made())


def _default_part(cls: Any) -> str:
    return code(cls.__name__, lambda _: part_link(cls))


def _value(value: object) -> str:
    if isinstance(value, parts.Part):
        return _default_part(type(value))
    return code(_word(value)) if _word(value) else "empty"


def _word(value: object) -> str:
    """A value as a command line has it."""
    if isinstance(value, tuple | list):
        return ",".join(_word(each) for each in value)
    return value.__name__ if inspect.isclass(value) else str(value)


def places(family: type) -> list[str]:
    """Where a part of a family is held: by fields of an experiment, or else of parts that it or a probe may be."""
    own = _holding(Experiment, family)
    if own:
        return own
    held = [f"{path}.{name}" for path, inside in _roots().items() for cls in inside for name in _holding(cls, family)]
    return sorted(dict.fromkeys(held), key=lambda path: not path.startswith("objective."))


@functools.cache
def _roots() -> dict[str, list[type]]:
    """The words by which a command line begins to speak of parts: fields of an experiment, and names of probes."""
    named = {name: field.meta_factory for name, field in chz.chz_fields(Experiment).items()}
    held = {name: list(shipped(meta.family).values()) for name, meta in named.items() if isinstance(meta, parts.Named)}
    return held | {name.lower(): [cls] for kind in ASKED for name, cls in shipped(kind).items()}


def _holding(holder: type, family: type) -> list[str]:
    named = {name: field.meta_factory for name, field in chz.chz_fields(holder).items()}
    return [name for name, meta in named.items() if isinstance(meta, parts.Named) and meta.family is family]


def where(cls: type) -> str:
    """The path under which a part and its fields are written."""
    if issubclass(cls, ASKED):
        return cls.__name__.lower()
    if issubclass(cls, Recipe):
        return "pairing.recipe"
    if cls in SLOTS.values():
        return f"pairing.recipe.{next(slot for slot, made in SLOTS.items() if made is cls)}"
    found = places(next(family for family in FAMILIES.values() if issubclass(cls, family)))
    return next((path for path in found if _usual(path) is cls), found[0])


def _usual(path: str) -> type | None:
    """The part that a slot of a probe is made for."""
    root, _, name = path.partition(".")
    holders = [cls for cls in _roots()[root] if issubclass(cls, ASKED)] if name else []
    return next((chz.chz_fields(cls)[name].meta_factory.unspecified_factory() for cls in holders), None)


def _written(cls: type, path: str) -> str:
    """How a part is chosen on the command line."""
    name, root = cls.__name__, path.partition(".")[0]
    if issubclass(cls, Comparison):
        return f"```console\n$ kontrast compare RUN RUN {path}\n```"
    if issubclass(cls, ASKED):
        return f"```console\n$ kontrast probe RUN {path}\n```"
    if issubclass(_roots()[root][0], ASKED):
        return f"```console\n$ kontrast probe RUN {root} {path}={name}\n```"
    return f"On the command line: {code(f'{path}={name}')}"


def _choosing(family: type) -> str:
    """How any part of a family is chosen on the command line."""
    if issubclass(family, ASKED):
        return "Asked for by name, in any case of letters, with options as `name.field=value`."
    found = places(family)
    several = " or ".join(code(f"{place}=NAME") for place in found[:6]) + (" and so on" if len(found) > 6 else "")
    return f"Chosen on the command line by {several}."


def method_page() -> str:
    """Every method: what it is, its published settings, and what it fills in."""
    said = ["# Methods", "A method fills in the parts of an experiment; every field can be set to something else."]
    for name, method in methods.known().items():
        told = [
            f"(method-{name})=\n## {name}",
            markdown(method.__doc__ or "", link),
            f"```console\n$ kontrast train {name}\n```",
        ]
        if settings := [f"[`{name}-{key}`](#setting-{name}-{key})" for key in method.settings]:
            told.append(f"Published: {', '.join(settings)}.")
        said += [*told, _filled(method.values)]
    return "\n\n".join(said) + "\n"


def settings_page() -> str:
    """Every published setting: its source, and what it says itself beyond its method."""
    said = ["# Published settings", "Each takes its method's settings and says otherwise what its source does."]
    for name, setting in SETTINGS.items():
        base = name.partition("-")[0]
        source = f"{inline(setting.source)}. Goes over [`{base}`](#method-{base})."
        told = [f"(setting-{name})=\n## {name}", source, f"```console\n$ kontrast train {name}\n```"]
        said += [*told, _filled(setting.values)]
    return "\n\n".join(said) + "\n"


def _filled(given: Mapping[str, Any]) -> str:
    return "```text\n" + "\n".join(f"{path}={_word(value)}" for path, value in given.items()) + "\n```"


def experiment_page() -> str:
    """The fields of an experiment."""
    return "\n\n".join(["# Experiment", markdown(Experiment.__doc__ or "", link), fields(Experiment, "")]) + "\n"


def commands_page() -> str:
    """Every command: what it does and what it takes."""
    said = ["# Commands", "`kontrast COMMAND --help` says the same."]
    for name, (_, what, usage) in COMMANDS.items():
        lines = "\n".join(each.strip() for each in usage.split(" | kontrast"))
        lines = lines.replace("\n", "\nkontrast ")
        said.append(f"## {name}\n\n{inline(what).capitalize()}.\n\n```text\n{lines}\n```")
    return "\n\n".join(said) + "\n"
