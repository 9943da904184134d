"""Settings in which methods were published, by the name that the command line gives them: method-setting.

A setting of a data set is that of the method's own authors, where they have one for it; otherwise solo-learn's
(github.com/vturrisi/solo-learn), otherwise that of another paper, otherwise that of the nearest data set, and `source`
says so. A new setting is one entry in the file of its data set.
"""

from __future__ import annotations

from kontrast.methods.published import cifar10, imagenet, imagenet100, stl10
from kontrast.methods.setting import Setting

SETTINGS: dict[str, Setting] = {
    **cifar10.SETTINGS,
    **stl10.SETTINGS,
    **imagenet100.SETTINGS,
    **imagenet.SETTINGS,
}
