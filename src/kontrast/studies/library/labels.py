"""How few labels suffice, once an encoder was trained without them."""

from kontrast.studies.axes import Axis, grid
from kontrast.studies.study import Study

study = Study(
    question="How few labels suffice once an encoder was trained without them?",
    method="simclr",
    given={"data": "FashionMNIST", "epochs": "1"},
    settings=grid(Axis.of("method", "simclr", "supcon")),
    ask=("linear", "knn", "finetune", "finetune.epochs=10", "fraction=.003,.01,.03"),
    score="Linear fraction=0.01: accuracy",
    reading=(
        "Each probe is fitted on a share of the 60,000 labels, the same rows whatever the encoder, as many of each "
        "class, and scored on all test pictures. FineTune trains the encoder on them too; beside it, as untrained, "
        "is the same network trained on the same labels from random weights. supcon saw all labels in pretraining: "
        "it is a ceiling, no competitor."
    ),
)
