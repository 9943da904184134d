"""What each augmentation does to the recovery of each latent: what the views share is kept, and the rest is lost."""

from kontrast.studies.axes import Axis, each, grid
from kontrast.studies.study import Study

RECIPE = "pairing.recipe"
CHANGES = (
    Axis("crop", {"large": {f"{RECIPE}.crop.scale": "0.2,1.0"}}),
    Axis("flip", {"both ways": {f"{RECIPE}.flip": "Flip"}}),
    Axis("rotation", {"any": {f"{RECIPE}.rotation.degrees": "-180,180"}}),
    Axis("jitter", {"strong": {f"{RECIPE}.jitter": "Jitter"}}),
    Axis("blur", {"up to 2": {f"{RECIPE}.blur": "Blur", f"{RECIPE}.blur.p": "1.0"}}),
    Axis("cutout", {"half": {f"{RECIPE}.cutout": "Cutout"}}),
)

study = Study(
    question="What does each augmentation do to the recovery of each latent?",
    method="simclr",
    given={
        "data": "Sprites",
        "data.size": "32",
        "data.shapes": "heart",
        "batch": "128",
        "steps": "200",
        "epochs": "None",
        "encoder.width": "16",
        f"{RECIPE}.flip": "None",
        f"{RECIPE}.jitter": "None",
        f"{RECIPE}.grayscale": "None",
        f"{RECIPE}.blur": "None",
        f"{RECIPE}.crop.scale": "0.7,1.0",
        f"{RECIPE}.crop.ratio": "1.0,1.0",
        f"{RECIPE}.rotation": "Rotation",
        f"{RECIPE}.rotation.degrees": "-15,15",
    },
    settings=grid(each(*CHANGES)),
    ask=("recovery", "limit=5000"),
    score="Recovery: r2/mean",
    reading=(
        "The base crops and turns a little, so that two views differ in everything by a little; each change is made "
        "to it alone. A latent that the change moves is one that the two views no longer share, and it is lost; one "
        "that it leaves alone is kept. R^2 of an affine map from the frozen embedding, held out."
    ),
)
