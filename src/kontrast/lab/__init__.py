"""The inversion laboratory: how much of the true latents an encoder recovers, beside its floors and its ceiling.

The question of Zimmermann et al. 2021 (arXiv 2102.08850), over seeds: the observations as they are (identity), the
network before its first step (untrained), the same network told the latents (supervised), and the contrastive one
(unsupervised), each scored by linear R2 and by the mean correlation coefficient on rows that nothing was fitted on.

Beside it the map of effects: what each augmentation, alone, does to the recovery of each factor. `lab.search` draws
settings at random, trains each over seeds and ranks them without labels.
"""

from kontrast.lab.book import Row as Row
from kontrast.lab.book import final_loss as final_loss
from kontrast.lab.effects import Effects as Effects
from kontrast.lab.effects import measure as measure
from kontrast.lab.inversion import Inversion as Inversion
from kontrast.lab.inversion import invert as invert
from kontrast.lab.plan import supervised as supervised
