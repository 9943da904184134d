"""Masks: sequences of walking silhouettes, in place of KITTI Masks."""

from kontrast.datasets.masks.masks import Masks as Masks
