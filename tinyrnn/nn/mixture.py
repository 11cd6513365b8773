"""Mixture density networks (Bishop 1994): a distribution as output, instead of a single value."""
from typing import NamedTuple

from tinyrnn.autograd.grad_mode import no_grad
from tinyrnn.autograd.ops_activations import softplus
from tinyrnn.autograd.ops_gather import take_along_dim
from tinyrnn.autograd.randomness import multinomial, randn
from tinyrnn.autograd.tensor import Tensor
from tinyrnn.nn.functional_loss import mixture_nll_loss
from tinyrnn.nn.linear import Linear
from tinyrnn.nn.module import Module


class Mixture(NamedTuple):
    """K normal distributions in D dimensions, each with a diagonal covariance, and their weights."""

    logits: Tensor                  # (..., K): the weights are their softmax
    means: Tensor                   # (..., K, D)
    log_scales: Tensor              # (..., K, D): logarithms of the standard deviations

    def mean(self):
        """E[t] = sum_k w_k m_k: (..., D)."""
        return (self.logits.softmax(-1).unsqueeze(-1) * self.means).sum(-2)

    @no_grad()
    def sample(self, generator=None):
        """One draw for every row: (..., D), without a record. First a component, then a point of it."""
        *rows, K, D = self.means.shape
        chosen = multinomial(self.logits.softmax(-1).reshape(-1, K), 1, generator=generator).unsqueeze(-1)
        means, log_scales = (take_along_dim(x.reshape(-1, K, D), chosen, 1).reshape(*rows, D)
                             for x in (self.means, self.log_scales))
        return means + log_scales.exp() * randn(*rows, D, generator=generator, dtype=means.dtype)


class MixtureDensity(Module):
    """A linear layer whose output is a :class:`Mixture` of K normal distributions in D dimensions.

    ``layer(input (..., in_features)) -> Mixture(logits (..., K), means (..., K, D), log_scales (..., K, D))``

    ``layer.loss(input, target (..., D))`` is the negative log-likelihood, in nats. As the output of recurrent networks:
    Graves 2013 (arXiv:1308.0850); Chung et al. 2014 (arXiv:1412.3555) use K = 20 for speech.

    in_features, out_features (D), n_components (K)
    min_log_scale   the limit below of the log-scales, approached smoothly: min + softplus(x - min). Without one, a
                    component could close in on a single point, and the likelihood has no maximum.
    """

    def __init__(self, in_features, out_features, n_components, min_log_scale=-7.0, device=None, dtype=None):
        super().__init__()
        if out_features < 1 or n_components < 1:
            raise ValueError(f"MixtureDensity: out_features={out_features} and n_components={n_components} must be "
                             "positive")
        self.in_features = in_features
        self.out_features = out_features
        self.n_components = n_components
        self.min_log_scale = float(min_log_scale)
        self.linear = Linear(in_features, n_components * (1 + 2 * out_features), device=device, dtype=dtype)

    def forward(self, input):
        K, D = self.n_components, self.out_features
        logits, means, scales = self.linear(input).split([K, K * D, K * D], -1)
        shape = (*logits.shape, D)
        log_scales = self.min_log_scale + softplus(scales.reshape(shape) - self.min_log_scale)
        return Mixture(logits, means.reshape(shape), log_scales)

    def loss(self, input, target, reduction="mean"):
        """The negative log-likelihood of the target: see :func:`functional.mixture_nll_loss`."""
        return mixture_nll_loss(*self(input), target, reduction)

    def extra_repr(self):
        return (f"in_features={self.in_features}, out_features={self.out_features}, n_components={self.n_components}, "
                f"min_log_scale={self.min_log_scale}")
