"""Reports: what runs and studies found, as tables in the terminal, in Markdown, and as pages with their figures.

Nothing here knows a model: a report is made of numpy arrays and plain values, and never imports torch.
"""

from kontrast.report.answer import answer as answer
from kontrast.report.beside import write_beside as write_beside
from kontrast.report.page import write_page as write_page
from kontrast.report.record import Record as Record
from kontrast.report.record import read_metrics as read_metrics
from kontrast.report.record import read_run as read_run
from kontrast.report.study import write_study as write_study
from kontrast.report.tables import markdown as markdown
from kontrast.report.tables import print_scores as print_scores
from kontrast.report.verdict import conclude as conclude
