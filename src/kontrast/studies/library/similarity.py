"""Which similarity to compare embeddings by, of normalized embeddings or not, and under which augmentations."""

from kontrast.studies.axes import Setting
from kontrast.studies.study import Study

SIMILARITIES = {
    "cosine": {"objective.similarity": "Cosine"},
    "euclidean": {"objective.similarity": "Euclidean", "objective.similarity.shape": "inverse"},
    "mahalanobis": {"objective.similarity": "Mahalanobis"},
}
NORMS = {"normalized": {"space": "Sphere"}, "as they are": {"space": "Euclidean"}}
RECIPE = "pairing.recipe"
AUGMENTATIONS = {
    "all four": {},
    "without crop": {f"{RECIPE}.crop": "None"},
    "all eight": {
        f"{RECIPE}.brightness": "Brightness",
        f"{RECIPE}.standardize": "Standardize",
        f"{RECIPE}.clip": "Clip",
        f"{RECIPE}.salt_pepper": "SaltPepper",
        f"{RECIPE}.invert": "Invert",
    },
}


def _setting(similarity: str, norm: str, augmentation: str) -> Setting:
    words = {**SIMILARITIES[similarity], **NORMS[norm], **AUGMENTATIONS[augmentation]}
    if (similarity, norm) == ("cosine", "as they are"):
        words["objective.similarity"] = "Dot"  # what cosine is called there once nothing is normalized
    return Setting({"similarity": similarity, "embeddings": norm, "augmentation": augmentation}, words)


study = Study(
    question="Which similarity should SimCLR compare embeddings by?",
    method="simclr",
    given={"data": "FashionMNIST", "epochs": "1"},
    settings=tuple(_setting(*each) for each in [(s, n, a) for a in AUGMENTATIONS for n in NORMS for s in SIMILARITIES]),
    ask=("linear", "knn", "limit=5000"),
    score="Linear: accuracy",
    reading=(
        "Similarities are those of a published ablation of SimCLR: the cosine, and 1 / (1 + D) of the squared "
        "Euclidean or Mahalanobis distance D; of embeddings that are not normalized the cosine is a dot product. All "
        "four augmentations are crop, flip, color and blur; all eight add brightness, standardizing, salt and pepper, "
        "and inversion. Differences between augmentations that are larger than those between similarities say which "
        "of the two to tune first."
    ),
)
