"""Reports: what a run found, as a table in the terminal, in Markdown, and as one page with its figures.

Nothing here knows a model: a report is made of numpy arrays and plain values, and never imports torch.
"""

from kontrast.report.answer import answer as answer
from kontrast.report.page import write_page as write_page
from kontrast.report.record import Record as Record
from kontrast.report.record import read_metrics as read_metrics
from kontrast.report.record import read_run as read_run
from kontrast.report.tables import markdown as markdown
from kontrast.report.tables import print_scores as print_scores
