"""Noise on the weights while gradients are computed: a regulariser."""
from contextlib import contextmanager

from tinyrnn.autograd.grad_mode import no_grad
from tinyrnn.autograd.randomness import randn_like
from tinyrnn.autograd.tensor import Tensor


@contextmanager
def weight_noise(parameters, std, generator=None):
    """Within: every parameter w is w + e, e drawn from N(0, std^2). Afterwards it is w again, bit for bit.

        with weight_noise(model.parameters(), 0.075):
            model.loss(batch).backward()                    # the gradient at w + e ...
        optimizer.step()                                    # ... moves w

    The forward and the backward pass belong inside (Graves 2011, "Practical Variational Inference for Neural
    Networks", section 5.1; Chung et al. 2014, arXiv:1412.3555). ``std=0`` draws nothing; a negative one raises.
    """
    if not std >= 0:
        raise ValueError(f"weight_noise: std must be at least 0, not {std}")
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    parameters = parameters if std > 0 else []
    kept = [p.detach().clone() for p in parameters]
    try:
        with no_grad():
            for p in parameters:
                p.add_(randn_like(p, generator=generator), alpha=std)
        yield
    finally:
        with no_grad():
            for p, value in zip(parameters, kept, strict=True):
                p.copy_(value)
