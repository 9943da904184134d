"""Which latents of a sprite a frozen encoder lets one read, by how its pairs were made."""

from kontrast.studies.axes import Axis, grid
from kontrast.studies.study import Study

PAIRS = {
    "SimCLR's views": {"method": "simclr", "encoder.width": "16", "batch": "256", "epochs": "None"},
    "mild crops alone": {
        "method": "simclr",
        "encoder.width": "16",
        "batch": "256",
        "epochs": "None",
        "pairing.recipe.crop.scale": "0.7,1.0",
        "pairing.recipe.jitter": "None",
        "pairing.recipe.grayscale": "None",
        "pairing.recipe.flip": "None",
        "pairing.recipe.blur": "None",
    },
    "neighbors on the grid": {"method": "dsprites"},
}

study = Study(
    question="Which latents of a sprite can be read from a frozen encoder?",
    method="simclr",
    given={"data": "Sprites", "data.law": "grid", "data.size": "32", "steps": "400"},
    settings=grid(Axis("pairs", PAIRS)),
    ask=("recovery", "readout", "layer=feature", "limit=10000"),
    score="Recovery layer=feature: r2/mean",
    reading=(
        "One affine map from the feature to every latent, fitted on rows of the training split and scored on held-out "
        "ones; ReadOut fits the same map by the published optimizer and counts how often it hits the right step of "
        "the grid. "
        "Orientation is a hard latent: a square looks the same four times in a turn."
    ),
)
