"""The theory of inversion, as a check: what an experiment should recover, why, and how low its loss can go.

Contrastive learning recovers the latents of a generative process where the law that draws pairs is one that the
objective can express (Zimmermann et al. 2021, arXiv 2102.08850). Which assumption an experiment meets can be read off
its parts, and the least loss, the information that pairs share and whether a batch suffices to see it have closed
forms.
"""

from kontrast.theory.prediction import Prediction as Prediction
from kontrast.theory.prediction import candidates as candidates
from kontrast.theory.prediction import check as check
