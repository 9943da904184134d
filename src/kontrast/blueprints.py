"""Experiments as plain values and as words: what a run records, what a preset holds, what a command line says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import chz
from chz.blueprint import Castable
from chz.blueprint._entrypoint import EntrypointException, ExtraneousBlueprintArg

from kontrast import parts
from kontrast.experiment import Experiment

EXCLUSIVE = ("epochs", "steps")
"""Fields that say the same thing in two ways: giving one takes back the other."""


def check_family(name: str, value: object) -> None:
    """A ValueError if a part is given for a field of the experiment that holds parts of another family."""
    field = chz.chz_fields(Experiment).get(name)
    if field is not None and isinstance(field.meta_factory, parts.Named) and isinstance(value, parts.Part):
        family = field.meta_factory.family
        if not isinstance(value, family):
            raise ValueError(f"{name}={value!r} is no {family.__name__}; write one of {', '.join(parts.known(family))}")


def values(experiment: Experiment) -> dict[str, Any]:
    """An experiment as JSON: each field's path with its value, and the class name where it is a part."""
    flat = chz.beta_to_blueprint_values(experiment)
    return {path: value.__name__ if isinstance(value, type) else value for path, value in flat.items()}


def read(flat: Mapping[str, Any]) -> Experiment:
    """The experiment that `values` wrote. Names resolve within their family; ValueError otherwise."""
    classes: dict[str, type] = {"": Experiment}
    given: dict[str, Any] = {}
    for path in sorted(flat, key=lambda path: path.count(".")):
        owner, _, name = path.rpartition(".")
        if owner not in classes or name not in chz.chz_fields(classes[owner]):
            raise ValueError(f"this version of kontrast knows no field {path!r} of an experiment")
        meta = chz.chz_fields(classes[owner])[name].meta_factory
        value = flat[path]
        if isinstance(meta, parts.Named) and value is not None:
            value = classes[path] = parts.resolve(meta.family, str(value))
        given[path] = tuple(value) if isinstance(value, list) else value
    return make(chz.Blueprint(Experiment).apply(given, layer_name="experiment.json"))


def blueprint(preset: Mapping[str, Any], name: str, arguments: Sequence[str] = ()) -> chz.Blueprint[Experiment]:
    """A preset with `field=value` arguments over it. Choosing another part takes back the options of the old one.

    ValueError for an argument that is not of the form field=value.
    """
    given: dict[str, Castable] = {}
    for argument in arguments:
        path, equals, value = argument.partition("=")
        if not equals or not re.fullmatch(r"(\.\.\.)?\w+(\.\w+)*", path):
            raise ValueError(f"write arguments as field=value, not {argument!r}")
        for field in _matching(layered(preset, name, given, "command line"), path):
            given[field] = Castable(value)
    return layered(preset, name, given, "command line")


def _matching(plan: chz.Blueprint[Experiment], path: str) -> list[str]:
    """The fields that `...name` stands for: all that end so, of parts that are there. A plain path is itself."""
    if not path.startswith("..."):
        return [path]
    made = plan._make_lazy()

    def there(owner: str) -> bool:
        if not owner or owner in made.value_mapping:
            return True
        default = made.all_params[owner].default if owner in made.all_params else None
        return default is not None and default.instantiate() is not None and there(owner.rpartition(".")[0])

    end = path.removeprefix("...")
    found = [field for field in made.all_params if f".{field}".endswith(f".{end}")]
    found = [field for field in found if there(field.removesuffix(end).rstrip("."))]
    if not found:
        raise ValueError(f"no field ends with {end!r}; kontrast show lists them")
    return found


def layered(preset: Mapping[str, Any], name: str, given: Mapping[str, Any], layer: str) -> chz.Blueprint[Experiment]:
    """A preset with other values over it, each remembering where it came from."""

    def kept(path: str) -> bool:
        others = (other for other in given if path.startswith(f"{other}."))
        replaced = any(_named(given[other]) != _named(preset.get(other)) for other in others)
        return not replaced and not (path in EXCLUSIVE and any(other in given for other in EXCLUSIVE))

    base = {path: value for path, value in {"method": name, **preset}.items() if kept(path)}
    return chz.Blueprint(Experiment).apply(base, layer_name=name).apply(given, layer_name=layer)


def _named(value: object) -> object:
    """The class that a value names, so that choosing the same part again is told from choosing another."""
    if isinstance(value, Castable):
        return value.value
    return value.__name__ if isinstance(value, type) else value


def make(plan: chz.Blueprint[Experiment]) -> Experiment:
    """The experiment a blueprint describes; whatever is wrong with it is a ValueError of one sentence."""
    try:
        return plan.make()
    except EntrypointException as error:
        raise ValueError(_explain(plan, error)) from None
    except TypeError as error:
        raise ValueError(str(error)) from None


def _explain(plan: chz.Blueprint[Experiment], error: EntrypointException) -> str:
    text = str(error)
    if isinstance(error, ExtraneousBlueprintArg):
        match = re.search(r"argument '([^']+)'", text)
        wrong = match.group(1) if match else text
        fields = list(plan._make_lazy().all_params)
        owner = wrong.rpartition(".")[0]
        near = [path for path in fields if path.rpartition(".")[0] == owner]
        if owner in fields and not near:
            return f"there is no field named {wrong!r}: {owner}, as it is chosen here, has no options"
        near = near or fields
        try:
            parts.choose(wrong, [path for path in near if path], "field")
        except ValueError as hint:
            return str(hint)
    match = re.search(r"there is no .*", text)
    if match:
        return match.group(0)
    match = re.search(r"argument '(.*)' provided for param '([^']+)'", text)
    if match:
        kind = re.search(r"Could not cast .* to (.*)", text)
        return f"{match.group(2)}={match.group(1)} cannot be read" + (f" as {kind.group(1)}" if kind else "")
    return " ".join(text.split())
