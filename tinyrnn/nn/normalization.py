"""Layer normalisation."""
import operator

from tinyrnn.autograd.creation import empty
from tinyrnn.nn import functional as F
from tinyrnn.nn import init
from tinyrnn.nn.module import Module
from tinyrnn.nn.parameter import Parameter


class LayerNorm(Module):
    """y = (x - mean) / sqrt(variance + eps) * w + b over the last dimensions, ``normalized_shape`` (Ba et al. 2016,
    arXiv:1607.06450).

    w starts at 1 and b at 0; ``elementwise_affine=False`` leaves both out, ``bias=False`` only b.
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = tuple(operator.index(n) for n in sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, wanted in ("weight", elementwise_affine), ("bias", elementwise_affine and bias):
            self.register_parameter(name, Parameter(empty(self.normalized_shape, dtype=dtype, device=device)) if wanted
                                    else None)
        self.reset_parameters()

    def reset_parameters(self):
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")
