"""Batch normalization over the rows of all processes: what one process would compute on the whole batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from kontrast.training.distributed import ranks

Statistics = tuple[Tensor, Tensor]
"""Mean and biased variance of each channel, [c] each."""


class SynchronizedNorm(_BatchNorm):
    """Batch normalization whose mean and variance are those of the rows of all processes.

    y = (x - mean) / sqrt(variance + eps) * weight + bias for x [n, c, ...], with the biased variance over the rows of
    all processes, which all have as many. Running statistics follow as in torch's own layers. In evaluation, and where
    there is one process, it is one of these. It runs on every device that torch.distributed serves, in one exchange
    forward and one backward; `nn.SyncBatchNorm` refuses processors, and waits for the device in every layer.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f"batch normalization takes rows of channels [n, c, ...], not shape {tuple(x.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or ranks() == 1:
            plain: Tensor = super().forward(x)
            return plain
        self._check_input_dim(x)
        y: Tensor = self.exchanged(x)
        return y

    def exchanged(self, x: Tensor) -> Tensor:
        y, mean, variance = _Normalize.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        if self.track_running_stats:
            self._follow(mean, variance, x.numel() // x.shape[1] * ranks())
        return y  # type: ignore[no-any-return]

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.num_batches_tracked is not None and self.running_mean is not None and self.running_var is not None
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked if self.momentum is None else torch.tensor(self.momentum)
        share = share.to(self.running_mean)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_((variance * (count / max(1, count - 1))).to(self.running_var.dtype), share)


def synchronize(network: nn.Module) -> None:
    """Put a SynchronizedNorm in the place of every batch normalization of a network, with its parameters and buffers.

    ValueError for a layer that does more than normalize, whose own work would be lost.
    """
    made: dict[int, SynchronizedNorm] = {}
    for owner in list(network.modules()):
        for name, layer in owner.named_children():
            if isinstance(layer, _BatchNorm) and not isinstance(layer, SynchronizedNorm):
                setattr(owner, name, made.setdefault(id(layer), _synchronized(layer)))


def _synchronized(layer: _BatchNorm) -> SynchronizedNorm:
    if type(layer) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm):
        raise ValueError(
            f"the statistics of {type(layer).__name__} cannot be taken over all processes; write sync=False"
        )
    norm = SynchronizedNorm(layer.num_features, layer.eps, layer.momentum, False, layer.track_running_stats)
    norm.affine, norm._parameters, norm._buffers = layer.affine, layer._parameters, layer._buffers
    return norm.train(layer.training)


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = _over_all(x)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps, ctx.biased = eps, bias is not None
        ctx.mark_non_differentiable(mean, variance)
        return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        scale = torch.rsqrt(variance + ctx.eps)
        ones = torch.ones_like(mean) if weight is None else weight
        # Sums over rows of grad * (x - mean) * scale and of grad, which are the gradients of weight and bias here.
        reduce = torch.ops.aten.native_batch_norm_backward
        _, along, plain = reduce(grad, x, ones, mean, variance, None, None, False, ctx.eps, [False, True, True])
        sums = torch.stack([along, plain])
        distributed.all_reduce(sums)
        along_mean, plain_mean = (sums / (x.numel() // x.shape[1] * ranks())).to(mean.dtype)
        # grad_x = weight scale (grad - mean(grad) - x^ mean(grad x^)) with x^ = (x - mean) scale, as a grad + b x + c.
        a = ones * scale
        b = -a * scale * along_mean
        c = -a * plain_mean - b * mean
        a, b, c = (column.view(1, -1, *[1] * (x.ndim - 2)) for column in (a, b, c))
        at_x = torch.addcmul(torch.addcmul(c, x, b), grad, a).to(x.dtype)
        return at_x, None if weight is None else along, plain if ctx.biased else None, None


def _over_all(x: Tensor) -> Statistics:
    """Mean and variance of each channel over the rows of all processes, without loss of figures where they are far off.

    Each process sends its own mean and variance: variance = mean of variances + variance of means.
    """
    rows = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    variance, mean = torch.var_mean(rows, [0, *range(2, x.ndim)], correction=0)
    own = torch.stack([mean, variance])
    found = [torch.empty_like(own) for _ in range(ranks())]
    distributed.all_gather(found, own)
    means, variances = torch.stack(found).unbind(1)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)
