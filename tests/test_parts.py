import pytest

from kontrast import parts
from kontrast.similarities import Cosine, Lp, Similarity
from kontrast.spaces import Space


def test_parts_are_found_by_the_names_of_their_classes():
    assert parts.known(Similarity)["Cosine"] is Cosine
    assert parts.resolve(Similarity, "Lp") is Lp
    assert "Similarity" not in parts.known(Similarity)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("cosine", "did you mean 'Cosine'"), ("Euclidian", "did you mean 'Euclidean'"), ("xyz", "write one of")],
)
def test_unknown_names_are_answered_with_the_nearest(name, hint):
    with pytest.raises(ValueError, match=hint):
        parts.resolve(Similarity, name)


@pytest.mark.parametrize(
    "name", ["os:system", "builtins.eval", "lambda x: x", "kontrast.spaces:Box", "__class__", "Cosine"]
)
def test_names_never_reach_out_of_their_family(name):
    with pytest.raises(ValueError, match="there is no space named"):
        parts.resolve(Space, name)


def test_every_part_says_in_one_sentence_what_it_is():
    from kontrast.cli.catalog import FAMILIES

    for family in FAMILIES.values():
        assert parts.known(family), family
        for name, cls in parts.known(family).items():
            text = parts.summary(cls)
            assert len(text) > 10, name
            assert text.endswith("."), name
