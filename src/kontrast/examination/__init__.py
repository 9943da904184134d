"""Examination: probes asked of frozen networks, and what they found as scores."""

from kontrast.examination.answers import Answer as Answer
from kontrast.examination.answers import Found as Found
from kontrast.examination.answers import as_scores as as_scores
from kontrast.examination.answers import split_hash as split_hash
from kontrast.examination.examination import Examination as Examination
from kontrast.examination.examination import check_fractions as check_fractions
from kontrast.examination.examination import rows_hash as rows_hash
from kontrast.examination.examination import told as told
from kontrast.examination.naming import described as described
from kontrast.examination.naming import label as label
