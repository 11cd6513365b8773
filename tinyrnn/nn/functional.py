"""What layers compute, as functions with PyTorch's names. Most are operations of ``autograd``, shown here again."""
import numpy as np

from tinyrnn.autograd import fused_normalization, reference
from tinyrnn.autograd.arrays import ShapeError
from tinyrnn.autograd.fused import is_fused_enabled
from tinyrnn.autograd.ops_activations import (
    dropout,
    elu,
    elu_,
    gelu,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    logsigmoid,
    relu,
    relu6,
    relu_,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
)
from tinyrnn.autograd.ops_embedding import embedding, one_hot
from tinyrnn.autograd.ops_join import pad
from tinyrnn.autograd.ops_linalg import bilinear, linear
from tinyrnn.autograd.ops_softmax import log_softmax, softmax, softmin
from tinyrnn.nn.functional_loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    linear_cross_entropy,
    mixture_nll_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)

__all__ = [
    "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_similarity", "cross_entropy",
    "dropout", "elu", "elu_", "embedding", "gaussian_nll_loss", "gelu", "hardtanh", "hardtanh_", "huber_loss", "kl_div",
    "l1_loss", "layer_norm", "leaky_relu", "leaky_relu_", "linear", "linear_cross_entropy", "log_softmax", "logsigmoid",
    "mixture_nll_loss", "mse_loss", "nll_loss", "normalize", "one_hot", "pad", "relu", "relu_", "relu6", "sigmoid",
    "silu", "smooth_l1_loss", "softmax", "softmin", "softplus", "softsign", "tanh",
]


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias over the last dimensions, which are ``normalized_shape``.

    The variance is the mean square, as in Ba et al. 2016 (arXiv:1607.06450).
    """
    module = fused_normalization if is_fused_enabled() else reference
    return module.layer_norm(input, tuple(normalized_shape), weight, bias, eps)


def normalize(input, p=2.0, dim=1, eps=1e-12):
    """y = x / max(|x|_p, eps) over ``dim``."""
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """y = x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) over ``dim``; the two are broadcast against each other."""
    try:
        shape = np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        raise ShapeError(f"cosine_similarity: {x1.shape} and {x2.shape} cannot be broadcast together") from None
    return (normalize(x1.expand(shape), 2.0, dim, eps) * normalize(x2.expand(shape), 2.0, dim, eps)).sum(dim)
