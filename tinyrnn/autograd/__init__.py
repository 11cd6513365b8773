"""How gradients flow: the passes, the modes, and the tools for people who write operations."""
# ruff: noqa: E402 - where the compiled modules are must be known before the first is imported
from tinyrnn import kernels

__path__ = kernels.cpu.folders(__path__, kernels.level)

# Here already: from within many nested imports it took 16 ms longer (CPython 3.11; 600 page faults for its frames).
import numpy  # noqa: F401

from tinyrnn.autograd import methods  # noqa: F401 - ties the operations to Tensor
from tinyrnn.autograd.check import GradcheckError, assert_equivalent, gradcheck, gradgradcheck
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.function import Function
from tinyrnn.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from tinyrnn.autograd.graph import backward, grad

__all__ = [
    "Function", "GradcheckError", "assert_equivalent", "backward", "enable_grad", "grad", "gradcheck", "gradgradcheck",
    "inference_mode", "no_grad", "record", "set_grad_enabled",
]
