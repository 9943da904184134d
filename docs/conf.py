"""The site: Sphinx reads the Markdown that `sitegen.stage` has written."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

project = "kontrast"
copyright = "The kontrast authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4
# Equations say A'A and "both", and mean it.
smartquotes = False
nitpicky = True
# The design sketches its abstractions in what is nearly Python.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "kontrast"
html_static_path = [str(DOCS / "static")]
html_css_files = ["site.css"]
html_copy_source = False
# There are no entries of an index: the catalog and the reference are what one looks things up in.
html_use_index = False
html_search_scorer = str(DOCS / "sitegen" / "scorer.js")
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": False}
pygments_style = "friendly"
pygments_dark_style = "monokai"


def _finished_pages(app, _error):
    """Pages that are finished already, as those of studies are, go where their links expect them."""
    import shutil

    if app.builder.name != "html":
        return
    for path in Path(app.srcdir).rglob("*.html"):
        to = Path(app.outdir) / path.relative_to(app.srcdir)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)


def setup(app):
    """What Sphinx calls."""
    from sitegen.writer import Writer

    app.set_translator("html", Writer)
    app.connect("build-finished", _finished_pages)
