"""A study as a value: its cells and their folders, what it refuses, and that it is read as it was written."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontrast.studies import Axis, Study, grid
from kontrast.studies.study import LONGEST, folder_name

word = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=6)
names = st.lists(st.sampled_from(["a", "b.c", "d.c", "...p", "a+b", "change"]), min_size=1, max_size=3, unique=True)


@st.composite
def made(draw):
    axes = [Axis.of(name, *draw(st.lists(word, min_size=1, max_size=3, unique=True))) for name in draw(names)]
    seeds = tuple(draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)))
    fixed = draw(st.dictionaries(st.sampled_from(["batch", "steps"]), word, max_size=2))
    return Study(draw(word), "simclr", grid(*axes), seeds, fixed, ask=tuple(draw(st.lists(word, max_size=2))))


@given(made())
def test_a_study_is_read_as_it_was_written(study):
    again = Study.read(json.loads(json.dumps(study.record())))
    assert again == study
    assert [cell.name for cell in again.cells()] == [cell.name for cell in study.cells()]


@given(made())
def test_cells_have_folders_of_their_own_all_settings_of_a_seed_first(study):
    cells = [*study.cells()]
    assert len(cells) == math.prod(map(len, study.axes.values())) * len(study.seeds)
    assert [cell.seed for cell in cells] == [seed for seed in study.seeds for _ in study.settings]
    folders = [cell.name.rpartition("/")[0] for cell in cells]
    assert len({cell.name for cell in cells}) == len(cells)
    for folder in folders:
        assert 0 < len(folder) <= LONGEST and "/" not in folder and not folder.startswith(".")
        assert folder.isascii() and folder.isprintable() and " " not in folder


@given(st.lists(word, min_size=2, max_size=2, unique=True), st.sampled_from(["a", "x.a"]))
def test_settings_that_differ_have_folders_that_differ(levels, name):
    assert folder_name({name: levels[0]}) != folder_name({name: levels[1]})
    assert folder_name({name: levels[0]}) == folder_name({name: levels[0]})


BATCHES = grid(Axis.of("batch", 32, 64))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": ()}, "no setting; write at least one field with several values"),
        ({"settings": (*BATCHES, BATCHES[0])}, "two settings are called 'batch=32'"),
        ({"seeds": ()}, "write seed=0..4"),
        ({"seeds": (0, 0)}, "different numbers from 0 on"),
        ({"seeds": (-1, 0)}, "different numbers from 0 on"),
        ({"given": {"batch": "8"}}, "batch is given for all and varies too"),
        ({"baseline": {"batch": "8"}}, "no setting is the baseline batch=8"),
        ({"ask": "knn"}, r"write ask=\('knn',\)"),
        ({"seeds": 3}, r"write seeds=\(0, 1, 2\)"),
        ({"seeds": ("0", "1")}, r"write seeds=\(0, 1, 2\)"),
        ({"seeds": (0.5,)}, r"write seeds=\(0, 1, 2\)"),
        ({"given": ("batch", 8)}, "given has values by name"),
        ({"settings": BATCHES[0]}, "write settings=grid"),
        ({"settings": ("batch=32",)}, "write settings=grid"),
    ],
)
def test_studies_that_mean_nothing_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        replace(Study("", "simclr", BATCHES), **changes)


@pytest.mark.parametrize(
    "broken", [{}, {"settings": None}, {"seeds": ["x"]}, {"seeds": 3}, {"given": 3}, {"settings": [{"levels": {}}]}]
)
def test_what_is_no_study_is_refused(broken):
    record = {**Study("", "simclr", BATCHES).record(), **broken} if broken else {}
    with pytest.raises(ValueError, match=r"no study|invalid"):
        Study.read(record)


def test_a_cell_is_made_with_its_seed():
    study = Study("", "inversion", grid(Axis.of("batch", 32)), (3,), {"data.seed": "{seed}"})
    experiment = study.experiment(next(study.cells()))
    assert (experiment.seed, experiment.data.seed, experiment.batch) == (3, 3, 32)


def test_numbers_and_lists_are_as_good_as_words_and_tuples():
    words = Study("", "simclr", BATCHES, (0, 1), {"steps": "5"}, ask=("knn",), baseline={"batch": "64"})
    norm = Axis("norm", {"on": {"head.dim": 8}, "off": {"head.dim": 16}})
    assert Study("", "simclr", [*BATCHES], [0, 1], {"steps": 5}, ask=["knn"], baseline={"batch": 64}) == words
    assert [dict(one.words) for one in grid(norm)] == [{"head.dim": "8"}, {"head.dim": "16"}]


def test_a_study_that_was_added_to_is_repeated_by_all_its_commands():
    first = Study("", "simclr", BATCHES, (0, 1), command="sweep a")
    more = replace(first, seeds=(2,), command="sweep b")
    assert more.joined(first).command == "sweep a\nsweep b" and more.joined(first).seeds == (0, 1, 2)
    assert replace(first, command="sweep c").joined(first).command == "sweep c"
    assert first.joined(more.joined(first)).command == "sweep a\nsweep b"
