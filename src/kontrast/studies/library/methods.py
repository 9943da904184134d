"""Which method, at equal data, network and length: what the online probe says, and what offline ones do."""

from kontrast.studies.axes import Axis, grid
from kontrast.studies.study import Study

METHODS = ("simclr", "supcon", "barlow_twins", "simsiam", "vicreg", "byol")

study = Study(
    question="Which method learns most from the same pictures in the same time?",
    method="simclr",
    given={"data": "FashionMNIST", "epochs": "5", "precision": "bfloat16"},
    settings=grid(Axis.of("method", *METHODS)),
    ask=("linear", "knn", "limit=10000"),
    score="Linear: accuracy",
    against=("Online: accuracy", "KNN: accuracy"),
    reading=(
        "Online is the linear classifier that learns along, on augmented pictures, and cannot touch the encoder; "
        "Linear is fitted to convergence on frozen features afterwards. supcon uses the labels. Methods whose targets "
        "move slowly, as BYOL, want longer training than this."
    ),
)
