"""Encoders: networks from observations to features. The feature is what one keeps after pretraining."""

from kontrast.encoders.conv import Conv as Conv
from kontrast.encoders.encoder import Encoder as Encoder
from kontrast.encoders.mlp import Mlp as Mlp
from kontrast.encoders.mlp import ResidualMlp as ResidualMlp
from kontrast.encoders.resnet import ResNet as ResNet
from kontrast.encoders.timm import Timm as Timm
