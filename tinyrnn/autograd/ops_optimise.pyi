from tinyrnn.autograd.tensor import Tensor

def sgd(
    parameter: Tensor, gradient: Tensor, momentum_buffer: Tensor | None, *,
    lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool, maximize: bool,
) -> None: ...
def adam(
    parameter: Tensor, gradient: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, max_exp_avg_sq: Tensor | None,
    step: Tensor, *, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    decoupled_weight_decay: bool, maximize: bool,
) -> None: ...
def rmsprop(
    parameter: Tensor, gradient: Tensor, square_avg: Tensor, grad_avg: Tensor | None, momentum_buffer: Tensor | None,
    step: Tensor, *, lr: float, alpha: float, eps: float, weight_decay: float, momentum: float, maximize: bool,
) -> None: ...
def adagrad(
    parameter: Tensor, gradient: Tensor, sum: Tensor, step: Tensor, *,
    lr: float, lr_decay: float, eps: float, weight_decay: float, maximize: bool,
) -> None: ...
def adadelta(
    parameter: Tensor, gradient: Tensor, square_avg: Tensor, acc_delta: Tensor, step: Tensor, *,
    lr: float, rho: float, eps: float, weight_decay: float, maximize: bool,
) -> None: ...
def square_sum(x: Tensor) -> float: ...
def scale(x: Tensor, factor: float) -> None: ...
