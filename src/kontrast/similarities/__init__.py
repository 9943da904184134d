"""Similarities: what counts as near. One value does two jobs.

It scores pairs of embeddings inside an objective, larger for nearer ones, and it draws positive pairs of latents
with density proportional to exp(similarity / temperature). So the assumption under which contrastive learning
recovers the latents is one visible line: `pairing.similarity == objective.similarity`, on equal spaces
(Zimmermann et al. 2021, arXiv 2102.08850).
"""

from kontrast.similarities.additive import Additive as Additive
from kontrast.similarities.diagonal import Diagonal as Diagonal
from kontrast.similarities.directions import Cosine as Cosine
from kontrast.similarities.directions import Dot as Dot
from kontrast.similarities.distances import Euclidean as Euclidean
from kontrast.similarities.distances import Lp as Lp
from kontrast.similarities.latent_class import LatentClass as LatentClass
from kontrast.similarities.likelihood import ExpectedLikelihood as ExpectedLikelihood
from kontrast.similarities.mahalanobis import Mahalanobis as Mahalanobis
from kontrast.similarities.similarity import Form as Form
from kontrast.similarities.similarity import Linked as Linked
from kontrast.similarities.similarity import Metric as Metric
from kontrast.similarities.similarity import Similarity as Similarity
