"""Records, and the files they are read from."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import classification, panels, sprites

from kontrast.files import write_whole
from kontrast.panels import write_panels
from kontrast.report import Record, read_metrics, read_run
from kontrast.report.record import flat
from kontrast.scores import Score, read_scores, write_scores
from kontrast.text import plain

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.text(st.characters()))
def test_plain_text_is_one_harmless_line(text):
    shown = plain(text)
    assert len(shown) <= 300
    assert shown.isprintable() or not shown.translate({0x200C: None, 0x200D: None, 0x20: None}).isprintable()
    assert len(shown.splitlines()) <= 1
    ElementTree.fromstring(f"<a>{''.join('' if c in '<>&' else c for c in shown)}</a>")
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat", "cat"),
        ("Straße 猫 🐈 نرگس", "Straße 猫 🐈 نرگس"),
        ("a\nb\tc\u2028d", "a b c d"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("\ud800\uffff\x00", "\ufffd\ufffd\ufffd"),
        (3, "3"),
        ("x" * 301, "x" * 299 + "…"),
    ],
)
def test_plain_text_examples(text, shown):
    assert plain(text) == shown


def test_nested_and_flat_fields_are_the_same():
    nested = {"objective": {"temperature": 0.1, "similarity": {"p": 1}}, "crop": [0.2, 4 / 3], "blur": None, "none": ()}
    assert flat(nested) == {
        "objective.temperature": "0.1",
        "objective.similarity.p": "1",
        "crop": "0.2, 1.33333",
        "blur": "None",
        "none": "none",
    }
    assert flat(flat(nested)) == flat(nested)


@given(
    st.lists(
        st.builds(
            Score,
            probe=TEXTS,
            metric=TEXTS,
            value=NUMBERS,
            untrained=st.none() | NUMBERS,
            null=st.none() | NUMBERS,
            raw=st.none() | NUMBERS,
            chance=st.none() | NUMBERS,
            protocol=TEXTS,
            seeds=st.integers(1, 100),
            deviation=st.none() | NUMBERS,
        )
    )
)
def test_scores_come_back_as_they_were_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("run") / "scores.json"
    write_scores(path, rows)
    assert read_scores(path) == rows


def test_numbers_that_are_not_finite_become_null(tmp_path):
    write_scores(tmp_path / "scores.json", [Score("a", "b", math.nan, untrained=math.inf)])
    assert "NaN" not in (text := (tmp_path / "scores.json").read_text())
    assert "Infinity" not in text
    (row,) = read_scores(tmp_path / "scores.json")
    assert math.isnan(row.value)
    assert row.untrained is None


@pytest.mark.parametrize(
    "content",
    [
        {},
        ["row"],
        [{"probe": "a", "metric": "b"}],
        [{"probe": "a", "metric": "b", "value": 1, "extra": 1}],
        [{"probe": 1, "metric": "b", "value": 1}],
        [{"probe": "a", "metric": "b", "value": "1"}],
        [{"probe": "a", "metric": "b", "value": True}],
        [{"probe": "a", "metric": "b", "value": 10**400}],
        [{"probe": "a", "metric": "b", "value": 1, "seeds": 1.5}],
        [{"probe": "a", "metric": "b", "value": 1, "protocol": None}],
    ],
)
def test_other_files_are_no_scores(tmp_path, content):
    (tmp_path / "scores.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"must"):
        read_scores(tmp_path / "scores.json")


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path, elsewhere = tmp_path / "scores.json", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"old")
    path.symlink_to(elsewhere)
    write_whole(path, b"new")
    assert (path.read_bytes(), elsewhere.read_bytes(), path.is_symlink()) == (b"new", b"old", False)

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="full"):
        write_whole(path, b"newer")
    assert path.read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere", "scores.json"]


@pytest.mark.parametrize("tail", ["", '{"step": 2, "lo', '{"step": 2', "\x00\x00", "\ufffd", "7"])
def test_a_torn_last_line_is_left_out(tmp_path, tail):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0, "loss": 2.5}\n\n{"step": 1, "loss": NaN}\n' + tail)
    rows = read_metrics(path)
    assert [row["step"] for row in rows] == [0, 1]
    assert math.isnan(rows[1]["loss"])


def test_a_last_line_cut_inside_a_letter_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 0}\n{"step": 1, "na\xc3')
    assert read_metrics(path) == [{"step": 0}]


@pytest.mark.parametrize("line", ['{"step": 2, "lo', "[1]"])
def test_a_bad_line_before_the_last_is_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n' + line + '\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"line 2 .*remove that line"):
        read_metrics(path)


def test_a_run_folder_is_read_with_what_it_has(tmp_path):
    assert read_run(tmp_path, title="t", command="c").scores == []
    (tmp_path / "experiment.json").write_text('{"space": "Sphere"}')
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "loss": 1}\n')
    write_scores(tmp_path / "scores.json", [Score("Linear", "accuracy", 0.5)])
    record = read_run(tmp_path, title="t", command="c", embedding=np.zeros((4, 2)))
    assert record.experiment == {"space": "Sphere"}
    assert record.metrics == [{"step": 0, "loss": 1}]
    assert record.scores == [Score("Linear", "accuracy", 0.5)]
    write_panels(tmp_path / "panels.json", panels())
    assert read_run(tmp_path, title="t", command="c").panels == panels()
    (tmp_path / "panels.json").write_text("[NaN]")
    with pytest.raises(ValueError, match="does not hold panels"):
        read_run(tmp_path, title="t", command="c")
    (tmp_path / "panels.json").unlink()
    (tmp_path / "environment.json").write_text("[]")
    with pytest.raises(ValueError, match="one JSON object"):
        read_run(tmp_path, title="t", command="c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedding": np.zeros(3)}, "matrix"),
        ({"labels": np.zeros(7, int)}, "7 labels"),
        ({"latents": np.zeros((2000, 2))}, "one factor a column"),
        ({"pictures": np.zeros((3, 3, 8, 8), np.uint8)}, r"\[n, h, w, 3\]"),
        ({"pictures": np.zeros((3, 8, 8))}, "uint8"),
        ({"pictures": np.zeros((3, 8, 8), np.uint8), "pictured": np.array([0, 1])}, "one row"),
        ({"pictures": np.zeros((2, 8, 8), np.uint8), "pictured": np.array([0, 2000])}, "one row"),
        ({"pairs": (np.zeros((3, 4)), np.zeros((2, 4)))}, "one shape"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        sprites(**change)


def test_a_record_is_frozen_and_can_be_changed_by_copy(classes_record):
    with pytest.raises(AttributeError):
        classes_record.title = "other"
    assert replace(classes_record, title="other").title == "other"
    assert isinstance(classification(), Record)


@pytest.mark.parametrize("name", ["scores.json", "experiment.json", "environment.json"])
@pytest.mark.parametrize("content", [b"{", b"", b"\xff[", b"[" * 100_000])
def test_a_damaged_file_of_a_run_is_named_with_what_to_do(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} cannot be read .*(remove that file|train it again)"):
        read_run(tmp_path, title="t", command="c")
