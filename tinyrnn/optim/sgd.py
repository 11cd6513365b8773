"""Stochastic gradient descent."""
from tinyrnn.autograd import ops_optimise
from tinyrnn.autograd.creation import zeros_like
from tinyrnn.optim.optimizer import Optimizer, check_range, refuse

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum or Nesterov's (Sutskever et al. 2013).

    g = gradient + weight_decay p                       (gradient negated with ``maximize``)
    b = momentum b + (1 - dampening) g                  (b = g in the first step)
    p = p - lr b;  nesterov: p - lr (g + momentum b);  without momentum: p - lr g
    """

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False,
                 foreach=None, differentiable=False, fused=None):
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused})

    def check(self, options):
        check_range(options, lr="learning rate", momentum="momentum value", weight_decay="weight_decay value")
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        refuse(options)

    def update(self, parameter, group):
        buffer, dampening = None, group["dampening"]
        if group["momentum"] != 0:
            buffer = self.state[parameter].get("momentum_buffer")
            if buffer is None:
                buffer, dampening = zeros_like(parameter), 0        # the first step: b = g
        ops_optimise.sgd(
            parameter, parameter.grad, buffer, lr=group["lr"], momentum=group["momentum"], dampening=dampening,
            weight_decay=group["weight_decay"], nesterov=group["nesterov"], maximize=group["maximize"])
        if buffer is not None:
            self.state[parameter]["momentum_buffer"] = buffer
