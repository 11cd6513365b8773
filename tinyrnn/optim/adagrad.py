"""Adagrad."""
from tinyrnn.autograd import ops_optimise
from tinyrnn.autograd.creation import full_like
from tinyrnn.optim.optimizer import Optimizer, check_range, new_step, refuse

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011).

    g = gradient + weight_decay p                       (gradient negated with ``maximize``)
    v = v + g^2                                         (v starts at ``initial_accumulator_value``)
    p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps)
    """

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10,
                 foreach=None, *, maximize=False, differentiable=False, fused=None):
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused})

    def check(self, options):
        check_range(options, lr="learning rate", lr_decay="lr_decay value", weight_decay="weight_decay value",
                    initial_accumulator_value="initial_accumulator_value value", eps="epsilon value")
        refuse(options)

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for parameter in group["params"]:
            self.state[parameter] = {
                "step": new_step(), "sum": full_like(parameter, group["initial_accumulator_value"])}

    def update(self, parameter, group):
        state = self.state[parameter]
        ops_optimise.adagrad(
            parameter, parameter.grad, state["sum"], state["step"], lr=group["lr"], lr_decay=group["lr_decay"],
            eps=group["eps"], weight_decay=group["weight_decay"], maximize=group["maximize"])
