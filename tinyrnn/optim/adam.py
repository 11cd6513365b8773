"""Adam, and AdamW, which differs only in how weights decay."""
from tinyrnn.autograd import ops_optimise
from tinyrnn.autograd.creation import zeros_like
from tinyrnn.optim.optimizer import Optimizer, check_range, new_step, refuse

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015); AMSGrad (Reddi et al. 2018) with ``amsgrad``.

    g = gradient + weight_decay p                       (gradient negated with ``maximize``)
    m = beta1 m + (1 - beta1) g
    v = beta2 v + (1 - beta2) g^2                       (AMSGrad goes on with the largest v so far)
    p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    With ``decoupled_weight_decay`` g is the gradient alone and p shrinks by 1 - lr weight_decay first: AdamW.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False):
        super().__init__(params, {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused, "decoupled_weight_decay": decoupled_weight_decay})

    def check(self, options):
        check_range(options, lr="learning rate", eps="epsilon value", weight_decay="weight_decay value")
        if len(options["betas"]) != 2:
            raise ValueError(f"Adam has two betas, not {options['betas']}")
        for i, beta in enumerate(options["betas"]):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        refuse(options)

    def update(self, parameter, group):
        state = self.state[parameter]
        if not state:
            state["step"] = new_step()
            state["exp_avg"] = zeros_like(parameter)
            state["exp_avg_sq"] = zeros_like(parameter)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = zeros_like(parameter)
        beta1, beta2 = group["betas"]
        ops_optimise.adam(
            parameter, parameter.grad, state["exp_avg"], state["exp_avg_sq"],
            state["max_exp_avg_sq"] if group["amsgrad"] else None, state["step"], lr=group["lr"], beta1=beta1,
            beta2=beta2, eps=group["eps"], weight_decay=group["weight_decay"],
            decoupled_weight_decay=group["decoupled_weight_decay"], maximize=group["maximize"])


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): p = (1 - lr weight_decay) p before Adam's step."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
                 maximize=False, foreach=None, capturable=False, differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
                         capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=True)

    def load_state_dict(self, state_dict):
        """As Optimizer.load_state_dict; what was saved by an Adam goes on as AdamW."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
