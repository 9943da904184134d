"""What a study found, as plain values: outcomes, statistics over seeds, tables. Nothing here knows torch."""

from kontrast.results.results import Levels as Levels
from kontrast.results.results import Outcome as Outcome
from kontrast.results.results import Results as Results
from kontrast.results.results import column as column
