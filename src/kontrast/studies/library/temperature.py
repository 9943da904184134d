"""Which temperature to train with, and how large a batch."""

from kontrast.studies.axes import Axis, grid
from kontrast.studies.study import Study

study = Study(
    question="Which temperature does SimCLR want, and does that depend on the batch?",
    method="simclr",
    given={"data": "FashionMNIST", "epochs": "3", "precision": "bfloat16"},
    settings=grid(Axis.of("batch", 128, 512), Axis.of("objective.temperature", 0.1, 0.2, 0.5, 1.0)),
    ask=("linear", "knn", "limit=5000"),
    score="Linear: accuracy",
    baseline={"batch": "128", "objective.temperature": "0.5"},
    reading=(
        "Every cell sees the same number of pictures, so a batch four times as large takes a quarter of the steps, at "
        "the same learning rate. A low temperature pushes the nearest negatives alone; a high one all of them alike."
    ),
)
