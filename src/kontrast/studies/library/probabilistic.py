"""NT-Xent or the loss of latent classes, over temperatures: accuracy, and whether an encoder knows its limits."""

from kontrast.studies.axes import Axis, grid
from kontrast.studies.study import Study

study = Study(
    question="Does the probabilistic loss know better than NT-Xent what it does not know?",
    method="simclr",
    given={"data": "FashionMNIST", "epochs": "0.5"},
    settings=grid(
        Axis("loss", {"NT-Xent": {"method": "simclr"}, "latent classes": {"method": "probabilistic"}}),
        Axis.of("objective.temperature", 0.1, 0.5, 1.0),
    ),
    ask=("linear", "uncertainty", "limit=3000"),
    score="Uncertainty: rauroc/retrieval",
    against=("Linear: accuracy", "Uncertainty: rauroc/softmax"),
    baseline={"loss": "NT-Xent", "objective.temperature": "0.5"},
    reading=(
        "rauroc is how well a measure of uncertainty tells rows whose nearest neighbor is of another class, by the "
        "area under the ROC curve (chance .5); retrieval is the entropy over the rows that are retrieved, at the "
        "temperature of the loss. entropy is that of the latent class, which only the probabilistic loss has; the "
        "others can be asked of any encoder. rejection is what the accuracy gains on the half of the test rows that a "
        "measure calls more certain."
    ),
)
