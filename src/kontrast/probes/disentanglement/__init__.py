"""Scores of disentanglement: how far single features stand for single factors."""

from kontrast.probes.disentanglement.beta_vae import BetaVAE as BetaVAE
from kontrast.probes.disentanglement.dci import DCI as DCI
from kontrast.probes.disentanglement.dci_es import DCIES as DCIES
from kontrast.probes.disentanglement.explicitness import Explicitness as Explicitness
from kontrast.probes.disentanglement.factor_vae import FactorVAE as FactorVAE
from kontrast.probes.disentanglement.info_mec import InfoMEC as InfoMEC
from kontrast.probes.disentanglement.irs import IRS as IRS
from kontrast.probes.disentanglement.mig import MIG as MIG
from kontrast.probes.disentanglement.modularity import Modularity as Modularity
from kontrast.probes.disentanglement.sap import SAP as SAP
