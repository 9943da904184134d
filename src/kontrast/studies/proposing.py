"""Settings that are proposed by the scores of others: the Tree-structured Parzen Estimator of Optuna.

Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization" (NeurIPS 24).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.studies.values import NUMBER, Listed, Span, Values, draws

if TYPE_CHECKING:
    import optuna

Told = tuple[Mapping[str, str], float | None]
"""A setting, by the level of all that varies, and its score; None where it failed."""
BLIND = 5
"""Scores below which settings are drawn at random."""
TRIES = 100
"""Proposals of settings that are there already, after which one is drawn at random."""


def propose(
    varied: Mapping[str, Values], told: Sequence[Told], count: int, seed: int, sign: int = 1
) -> list[dict[str, str]]:
    """`count` settings that are none of those told, for large scores, or small ones where `sign` is -1.

    What is proposed is a function of the arguments alone. Numbers of a span are numbers to the estimator, or their
    logarithms; a list of numbers that rise or fall is one of places in it, and any other list one of names. There are
    fewer settings where there are no more, none at last. ValueError without Optuna.
    """
    try:
        import optuna
    except ImportError:
        raise ValueError("search=optuna needs optuna: pip install 'kontrast[optuna]', or leave out search") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    state = int(np.random.SeedSequence([seed, len(told)]).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler(seed=state, n_startup_trials=BLIND, constant_liar=True)
    study = optuna.create_study(direction="maximize" if sign > 0 else "minimize", sampler=sampler)
    for levels, score in told:
        if all(_has(values, levels[name]) for name, values in varied.items()):
            study.add_trial(_trial(varied, levels, score))
    found, there = list[dict[str, str]](), [dict(levels) for levels, _ in told]
    rest = draws(varied, state, len(told) + count)
    while len(found) < count:
        new = _new(study, varied, [*there, *found])
        new = new or next((one for one in rest if one not in there and one not in found), None)
        if new is None:
            break
        found.append(new)
    return found


def _has(values: Values, word: str) -> bool:
    """Whether a level is one of these values: settings of another origin teach nothing."""
    if isinstance(values, Listed):
        return word in values.values
    return re.fullmatch(NUMBER, word) is not None and values.low <= float(word) <= values.high


def _new(study: optuna.Study, varied: Mapping[str, Values], there: Sequence[dict[str, str]]) -> dict[str, str] | None:
    """A setting that is not there yet. Proposals that were asked for stay open, which sends later ones elsewhere."""
    for _ in range(TRIES):
        trial = study.ask()
        found = {name: _suggested(trial, name, values) for name, values in varied.items()}
        if found not in there:
            return found
    return None


def _suggested(trial: optuna.Trial, name: str, values: Values) -> str:
    if isinstance(values, Span):
        return values.word(trial.suggest_float(name, values.low, values.high, log=values.log))
    if ordered(values):
        return values.values[trial.suggest_int(name, 0, len(values.values) - 1)]
    return str(trial.suggest_categorical(name, values.values))


def ordered(values: Listed) -> bool:
    """Whether values are three numbers or more that rise, or fall."""
    if len(values.values) < 3 or not all(re.fullmatch(NUMBER, word) for word in values.values):
        return False
    steps = np.diff([float(word) for word in values.values])
    return bool((steps > 0).all() or (steps < 0).all())


def _trial(varied: Mapping[str, Values], levels: Mapping[str, str], score: float | None) -> optuna.trial.FrozenTrial:
    """A setting with its score as Optuna knows it."""
    import optuna

    params, distributions = dict[str, Any](), dict[str, optuna.distributions.BaseDistribution]()
    for name, values in varied.items():
        if isinstance(values, Span):
            params[name] = float(levels[name])
            distributions[name] = optuna.distributions.FloatDistribution(values.low, values.high, log=values.log)
        elif ordered(values):
            params[name] = values.values.index(levels[name])
            distributions[name] = optuna.distributions.IntDistribution(0, len(values.values) - 1)
        else:
            params[name] = levels[name]
            distributions[name] = optuna.distributions.CategoricalDistribution(values.values)
    if score is None:
        failed = optuna.trial.TrialState.FAIL
        return optuna.trial.create_trial(state=failed, params=params, distributions=distributions)
    return optuna.trial.create_trial(value=score, params=params, distributions=distributions)
