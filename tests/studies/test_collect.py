"""What `collect` reads of a study's folder."""

from __future__ import annotations

from kontrast.scores import Score, write_scores
from kontrast.studies import Axis, Study, collect, grid
from kontrast.studies.records import Record, record_path, write_study


def test_the_protocol_of_a_column_is_what_its_runs_share(tmp_path):
    study = Study("", "simclr", grid(Axis.of("batch", "64", "128")), seeds=(0, 1))
    write_study(tmp_path, study)
    for at, cell in enumerate(study.cells()):
        record = record_path(tmp_path, cell.name)
        record.parent.mkdir(parents=True, exist_ok=True)
        Record("done").write(record)
        said = f"on 10 rows; {'NOT CONVERGED' if at == 2 else 'converged'} after {at + 5} steps"
        rows = [Score("Linear", "accuracy", 0.5, protocol=said), Score("KNN", "accuracy", 0.5, protocol="vote")]
        write_scores(tmp_path / cell.name / "scores.json", rows)
    assert dict(collect(tmp_path).protocols) == {
        "Linear: accuracy": "on 10 rows; not of all runs: converged after 5 to 8 steps / NOT CONVERGED after 7 steps",
        "KNN: accuracy": "vote",
    }
