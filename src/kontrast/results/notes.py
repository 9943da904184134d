"""What is said below the table of a study: the question, how numbers were made, what all share, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kontrast.results.compared import Compared, missing
from kontrast.results.numbers import digits, direction, shown
from kontrast.results.results import Levels, Results, short
from kontrast.results.statistics import FEWEST, RESAMPLES
from kontrast.text import plain

SAME = {
    "untrained": "of the untrained encoder",
    "raw": "of the raw input",
    "null": "with the truth permuted",
    "chance": "by chance",
    "ceiling": "at its ceiling",
}
MOST_FAULTS = 12


def label(results: Results, levels: Levels) -> str:
    """A setting by its levels: "similarity=Cosine, norm=True", where an axis is called by its last word."""
    said = [f"{short(axis)}={level}" for axis, level in zip(results.axes, levels, strict=True) if level]
    return ", ".join(said) or "as it is"


def notes(results: Results, main: str, found: Sequence[Compared], baseline: Levels) -> tuple[str, ...]:
    """The sentences below a table, `main` being its main column and `found` what it holds."""
    said = [plain(results.question, 600)] if results.question else []
    said += [*_constant(results)]
    if main:
        said += [*_means(results, main), *_compared(results, main, found, baseline), *_floors(main, found)]
        if protocol := results.protocols.get(main, ""):
            said.append(f"{main}: {plain(protocol, 600)}")
    said += [*_warned(results), *_faults(results, found)]
    if machine := _machine(results.environment):
        said.append(machine)
    if results.command:
        said.append(f"Again: {plain('; '.join(results.command.splitlines()), 1200)}")
    return tuple(said)


def _constant(results: Results) -> Iterator[str]:
    at = {axis: {one[number] for one in results.settings} for number, axis in enumerate(results.axes)}
    same = [f"{axis}={next(iter(levels))}" for axis, levels in at.items() if len(levels) == 1]
    if same and len(results.settings) > 1:
        yield f"All with {', '.join(same)}."


def _means(results: Results, main: str) -> Iterator[str]:
    seeds = sorted({outcome.seed for outcome in results.outcomes})
    listed = ", ".join(map(str, seeds[:10])) + (f", ... {seeds[-1]}" if len(seeds) > 10 else "")
    way = {1: "More is better", -1: "Less is better", 0: "Neither more nor less is better"}[direction(main)]
    if len(seeds) == 1:
        yield f"One seed ({listed}): nothing says how far another would stray. {way} of {main}."
    else:
        yield f"Mean ± standard deviation over seeds (how many); seeds {listed}. {way} of {main}."


def _compared(results: Results, main: str, found: Sequence[Compared], baseline: Levels) -> Iterator[str]:
    if baseline not in results.settings:
        if len(results.settings) > 1:
            yield "There is no baseline among these settings, so there are no differences; name one with baseline=."
        return
    differences = [one.difference for one in found if one.difference is not None]
    called = f"the baseline {label(results, baseline)}"
    if not any(one.values for one in differences):
        if differences:
            yield f"No setting shares a seed that has a score with {called}, so nothing is compared with it."
        return
    pairs = [len(one.values) for one in differences if one.holm is not None]
    if not pairs:
        yield f"Differences to {called} are paired by seed; of fewer than {FEWEST} there is neither interval nor test."
        return
    coarse = f"; coarse over {min(pairs)} seeds: it never leaves the range of the differences" if min(pairs) < 6 else ""
    few = f", none of fewer than {FEWEST} seeds" if len(pairs) < len(differences) else ""
    yield (
        f"Differences to {called} are paired by seed, with the 95 % percentile bootstrap interval of their mean "
        f"({RESAMPLES:,} resamples{coarse}) and p of the paired t test, Holm-corrected for {len(pairs)} "
        f"comparison{'s' if len(pairs) > 1 else ''}{few}. The verdict is that of p at a family-wise .05, also where "
        "the interval excludes zero."
    )


def _floors(main: str, found: Sequence[Compared]) -> Iterator[str]:
    same = []
    form = digits(one.summary.mean for one in found)
    for name, called in SAME.items():
        values = {one.floors.get(name) for one in found if one.summary.count}
        value = next(iter(values), None)
        if len(values) == 1 and value is not None:
            same.append(f"{shown(value, form)} {called}")
    if same:
        yield f"For all settings {main} is {', '.join(same)}."


def _warned(results: Results) -> Iterator[str]:
    """What the scores of some runs warn of, for each probe."""
    scored = [one for one in results.outcomes if one.scores]
    warned: dict[str, dict[str, int]] = {}
    for one in scored:
        for probe, warning in {score.probe: score.warning for score in one.scores if score.warning}.items():
            found = warned.setdefault(probe, {})
            found[warning] = found.get(warning, 0) + 1
    for probe, found in list(warned.items())[:MOST_FAULTS]:
        first, count = next(iter(found)), sum(found.values())
        runs = f"{count} of {len(scored)} runs" if len(scored) > 1 else "its run"
        more = f" (and {len(found) - 1} of its kind)" if len(found) > 1 else ""
        yield f"† Warning of {runs}, {plain(probe, 80)}: {plain(first, 300)}{more}."


def _faults(results: Results, found: Sequence[Compared]) -> Iterator[str]:
    faults = [
        f"Failed: {label(results, one.levels)}, seed {one.seed}: {plain(one.why or 'no reason is known', 300)}"
        for one in results.failures()
    ]
    open_cells: dict[tuple[str, Levels], list[int]] = {}
    for one in results.outcomes:
        if one.state not in ("done", "failed"):
            open_cells.setdefault((one.state.capitalize(), one.levels), []).append(one.seed)
    for levels, seed in missing(results):
        open_cells.setdefault(("Missing", levels), []).append(seed)
    faults += [f"{state}: {label(results, levels)}, {_seeds(seeds)}." for (state, levels), seeds in open_cells.items()]
    faults += [
        f"Not a number: {label(results, one.levels)}, {_seeds(one.summary.lost)}; left out of the mean."
        for one in found
        if one.summary.lost
    ]
    yield from faults[:MOST_FAULTS]
    if len(faults) > MOST_FAULTS:
        yield f"And {len(faults) - MOST_FAULTS} more that failed or are missing; format=json has them all."


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _machine(environment: Mapping[str, object]) -> str:
    """Where the runs took place."""
    known = {name: plain(environment[name], 120) for name in ("processor", "device", "threads") if name in environment}
    if not known:
        return ""
    threads = f"{known['threads']} thread{'' if known['threads'] == '1' else 's'}" if "threads" in known else ""
    packages = environment.get("packages")
    torch = f"torch {plain(packages['torch'], 40)}" if isinstance(packages, Mapping) and "torch" in packages else ""
    parts = [known.get("processor", ""), known.get("device", ""), threads, torch]
    return f"Machine: {', '.join(part for part in parts if part)}."
