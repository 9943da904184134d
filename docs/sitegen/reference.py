"""The reference of the Python interface: every public module, from its docstrings and signatures."""

from __future__ import annotations

import importlib
import inspect
import re

import chz

from kontrast import methods
from sitegen.names import GROUPS, Public, documented, exports, link, modules, part_link
from sitegen.outline import toctree
from sitegen.prose import code, inline, markdown, row

QUALIFIED = re.compile(r"\b(?:kontrast|typing|collections)\.(?:\w+\.)*")
WIDEST = 72
"""Longest signature on one line, in letters."""


def overview() -> str:
    """A table of the modules, by what they are for."""
    said, there = [], modules()
    for group, names in GROUPS.items():
        roots = [f"kontrast.{name}".removesuffix(".kontrast") for name in names.split()]
        inside = [m for m in there if m in roots or any(m.startswith(f"{r}.") for r in roots if r != "kontrast")]
        rows = [row(f"[`{m}`](reference/{m}.md)", inline(_first(m), link)) for m in inside]
        said.append("\n".join([f"## {group}", "", "| module | what |", "|---|---|", *rows]))
    return "\n\n".join([*said, toctree([f"reference/{name}" for name in there])])


def pages() -> dict[str, str]:
    """The page of every module by its name."""
    return {name: page(name) for name in modules()}


def _first(module: str) -> str:
    return (inspect.getdoc(importlib.import_module(module)) or "").split("\n\n")[0]


def page(module: str) -> str:
    """What a module offers; what is documented elsewhere is named with a link."""
    offered = exports(module)
    doc = inspect.getdoc(importlib.import_module(module)) or ""
    home = documented()
    here = [public for public in offered if _home(public, home) is public]
    passed = [_home(public, home) for public in offered if _home(public, home) is not public]
    said = [f"# {module}", markdown(doc, link)]
    if passed:
        links = ", ".join(f"[`{each.name}`](#{each.label.lower()})" for each in passed)
        said.append(f"Also here: {links}.")
    return "\n\n".join([*said, *(entry(public) for public in here)]) + "\n"


def _home(public: Public, home: dict[int, Public]) -> Public:
    return home.get(id(public.value), home.get(id(public), public))


def entry(public: Public) -> str:
    """A class, function, method preset or value: its signature, docstring, and what it does if it is a class."""
    value, name = public.value, public.name
    said = [f"({public.label})=\n## {name}"]
    if inspect.isclass(value):
        said += [_code(f"class {_signed(name, value)}"), markdown(public.doc, link)]
        target = part_link(value) if chz.is_chz(value) else None
        if target and target.startswith("#part-"):
            said.append(f"Its fields and how to write them: {code(name, lambda _: target)} in the catalog.")
        said += [_member(f"{name}.{key}", member) for key, member in vars(value).items() if not key.startswith("_")]
    elif inspect.isroutine(value):
        said += [_code(_signed(name, value)), markdown(public.doc, link)]
    else:
        said += [markdown(public.doc, link)]
        if isinstance(value, methods.Method):
            said.append(f"What it fills in: [`{value.name}`](#method-{value.name}) in the catalog.")
    return "\n\n".join(filter(None, said))


def _member(name: str, member: object) -> str:
    """A method or property that has a docstring of its own."""
    plain = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    if isinstance(plain, property) and plain.__doc__:
        return f"{_code(name)}\n\n{markdown(plain.__doc__, link)}"
    if inspect.isfunction(plain) and plain.__doc__:
        return f"{_code(_signed(name, plain))}\n\n{markdown(plain.__doc__, link)}"
    return ""


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _signed(name: str, value: object) -> str:
    """A name with its parameters: one to a line where they are long."""
    if inspect.isclass(value) and chz.is_chz(value):
        given = [f"{key}: {_annotation(field.x_type)}" for key, field in chz.chz_fields(value).items()]
        return _laid(name, ["*", *given] if given else [], "")
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return name
    returns = signature.return_annotation
    back = "" if returns is inspect.Signature.empty else f" -> {_annotation(returns)}"
    return _laid(name, _parameters(signature), "" if inspect.isclass(value) else back)


def _parameters(signature: inspect.Signature) -> list[str]:
    found, kinds = list[str](), inspect.Parameter
    every = [each for each in signature.parameters.values() if each.name != "self"]
    for place, each in enumerate(every):
        if each.kind is kinds.KEYWORD_ONLY and not any(
            other.kind in (kinds.KEYWORD_ONLY, kinds.VAR_POSITIONAL) for other in every[:place]
        ):
            found.append("*")
        star = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}.get(each.kind, "")
        kind = "" if each.annotation is each.empty else f": {_annotation(each.annotation)}"
        default = "" if each.default is each.empty else f"{' = ' if kind else '='}{_shown(each.default)}"
        found.append(f"{star}{each.name}{kind}{default}")
    return found


def _shown(value: object) -> str:
    """A default as one reads it: named where it is a class, a function or anything without a literal."""
    if isinstance(value, tuple):
        inside = ", ".join(_shown(each) for each in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if inspect.isclass(value) or inspect.isroutine(value):
        return value.__name__
    return "..." if repr(value).startswith("<") else repr(value)


def _annotation(kind: object) -> str:
    text = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    return QUALIFIED.sub("", text)


def _laid(name: str, parameters: list[str], back: str) -> str:
    line = f"{name}({', '.join(parameters)}){back}"
    if len(line) <= WIDEST:
        return line
    inside = "".join(f"    {each},\n" for each in parameters)
    return f"{name}(\n{inside}){back}"
