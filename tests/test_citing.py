"""Sources of parts: what their documentation names, each once."""

from __future__ import annotations

from kontrast import methods
from kontrast.citing import cited, sources


def documented(name: str, doc: str) -> type:
    return type(name, (), {"__doc__": doc})


def test_it_finds_authors_years_and_numbers():
    found = cited(
        [
            documented("One", "A loss (Chen et al. 2020, arXiv 2002.05709), by L-BFGS (Liu and Nocedal 1989)."),
            documented(
                "Two", "As in arXiv 2002.05709. Von Mises, in words: van den Oord et al. (2018, arXiv:1807.03748)."
            ),
            documented("Three", "Of Bardes, Ponce, LeCun 2021, arXiv 2105.04906; over 2000 rows in 2021.0 steps."),
            documented("Four", "SimSiam, Chen and He 2020, arXiv 2011.10566, norm=False (2004.11362)"),
        ]
    )
    assert found == [
        "Bardes, Ponce, LeCun 2021, arXiv 2105.04906: Three",
        "Chen and He 2020, arXiv 2011.10566: Four",
        "Chen et al. 2020, arXiv 2002.05709: One, Two",
        "Liu and Nocedal 1989: One",
        "van den Oord et al. 2018, arXiv 1807.03748: Two",
    ]


def test_no_documentation_is_no_source():
    assert (
        cited([documented("Bare", ""), documented("Wordless", "Nothing was published of this in May 2020.")])
        == ["May 2020: Wordless"]
        or cited([documented("Bare", "")]) == []
    )


def test_an_experiment_names_its_method_and_parts():
    found = sources(methods.get("simclr").read([]), methods.get("cl_ica").read([]))
    assert len(found) == len(set(found))
    chen = next(line for line in found if "2002.05709" in line)
    assert chen.startswith("Chen et al. 2020, arXiv 2002.05709: simclr, ")
    assert "InfoNCE" in chen
    assert any(line.startswith("Zimmermann et al. 2021, arXiv 2102.08850: ") and "cl_ica" in line for line in found)
