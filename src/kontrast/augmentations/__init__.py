"""Augmentations: random changes of pictures that a view goes through, batched on the device, one draw per picture."""

from kontrast.augmentations.augmentation import Augmentation as Augmentation
from kontrast.augmentations.blur import Blur as Blur
from kontrast.augmentations.color import Grayscale as Grayscale
from kontrast.augmentations.color import Jitter as Jitter
from kontrast.augmentations.geometry import Crop as Crop
from kontrast.augmentations.geometry import Flip as Flip
from kontrast.augmentations.recipe import Recipe as Recipe
