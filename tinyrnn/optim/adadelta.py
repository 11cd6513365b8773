"""Adadelta."""
from tinyrnn.autograd import ops_optimise
from tinyrnn.autograd.creation import zeros_like
from tinyrnn.optim.optimizer import Optimizer, check_range, new_step, refuse

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012).

    g = gradient + weight_decay p                       (gradient negated with ``maximize``)
    v = rho v + (1 - rho) g^2
    d = g sqrt(u + eps) / sqrt(v + eps)
    u = rho u + (1 - rho) d^2
    p = p - lr d
    """

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False,
                 maximize=False, differentiable=False):
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable})

    def check(self, options):
        check_range(options, lr="learning rate", rho="rho value", eps="epsilon value",
                    weight_decay="weight_decay value")
        if not options["rho"] <= 1.0:
            raise ValueError(f"Invalid rho value: {options['rho']}")
        refuse(options)

    def update(self, parameter, group):
        state = self.state[parameter]
        if not state:
            state["step"] = new_step()
            state["square_avg"] = zeros_like(parameter)
            state["acc_delta"] = zeros_like(parameter)
        ops_optimise.adadelta(
            parameter, parameter.grad, state["square_avg"], state["acc_delta"], state["step"], lr=group["lr"],
            rho=group["rho"], eps=group["eps"], weight_decay=group["weight_decay"], maximize=group["maximize"])
