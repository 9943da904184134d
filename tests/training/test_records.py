import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from kontrast.training.records import Records


def losses(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("loss")]


def write(folder, step, rows):
    with Records(folder, step) as records:
        for taken, loss in rows:
            records.write({"step": taken, "loss": loss})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("step", [0, 2])
def test_a_resumed_run_takes_back_what_came_after_its_step(step, tmp_path, monkeypatch):
    # TensorBoard reads files by name; within a second they are told apart by a count, and a 10 sorts before a 9.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))
    write(tmp_path, 0, [(taken, 1.0) for taken in range(1, 6)])
    write(tmp_path, step, [(step + 1, 0.5)])
    expected = [(taken, 1.0) for taken in range(1, step + 1)] + [(step + 1, 0.5)]
    assert losses(tmp_path) == expected
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["loss"]) for row in rows] == expected


def test_what_json_cannot_say_is_left_out(tmp_path):
    seen = []
    with Records(tmp_path, 0) as records:
        records.trackers[0].row = seen.append
        records.write({"step": 1, "loss": 2.0, "gradient_norm": float("inf"), "gradient/head": float("nan")})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 2.0}\n'
    assert seen == [{"step": 1, "loss": 2.0}]


@pytest.mark.parametrize("line", ["5", "[1]", "null", '"step"', '{"step": "1"}', '{"step": null}', '{"step": 1', ""])
def test_a_line_that_is_no_row_is_dropped(line, tmp_path):
    good = json.dumps({"step": 1, "loss": 2.0})
    (tmp_path / "metrics.jsonl").write_text(f"{line}\n{good}\n")
    with Records(tmp_path, 1):
        pass
    assert (tmp_path / "metrics.jsonl").read_text() == good + "\n"
