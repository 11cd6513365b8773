"""RMSprop."""
from tinyrnn.autograd import ops_optimise
from tinyrnn.autograd.creation import zeros_like
from tinyrnn.optim.optimizer import Optimizer, check_range, new_step, refuse

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012); ``centered`` as in Graves 2013, section 4.2 (but eps outside the root).

    g = gradient + weight_decay p                       (gradient negated with ``maximize``)
    v = alpha v + (1 - alpha) g^2
    centered: a = alpha a + (1 - alpha) g, and v - a^2 takes the place of v below
    b = momentum b + g / (sqrt(v) + eps)                (without momentum: the fraction alone)
    p = p - lr b
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
                 capturable=False, foreach=None, maximize=False, differentiable=False):
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable})

    def check(self, options):
        check_range(options, lr="learning rate", eps="epsilon value", momentum="momentum value",
                    weight_decay="weight_decay value", alpha="alpha value")
        refuse(options)

    def update(self, parameter, group):
        state = self.state[parameter]
        if not state:
            state["step"] = new_step()
            state["square_avg"] = zeros_like(parameter)
            if group["momentum"] > 0:
                state["momentum_buffer"] = zeros_like(parameter)
            if group["centered"]:
                state["grad_avg"] = zeros_like(parameter)
        ops_optimise.rmsprop(
            parameter, parameter.grad, state["square_avg"], state["grad_avg"] if group["centered"] else None,
            state["momentum_buffer"] if group["momentum"] > 0 else None, state["step"], lr=group["lr"],
            alpha=group["alpha"], eps=group["eps"], weight_decay=group["weight_decay"], momentum=group["momentum"],
            maximize=group["maximize"])
