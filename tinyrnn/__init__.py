"""A light framework for recurrent networks on CPUs, with PyTorch's names and numbers."""

# ruff: noqa: I001, E402 - the order matters: no other compiled module may load before the processor is checked
from tinyrnn.kernels import cpu

cpu.check(cpu.required(), cpu.available())

from tinyrnn.config import __version__, show_config
from tinyrnn.kernels.parallel import get_num_threads, set_num_threads

__all__ = ["__version__", "get_num_threads", "set_num_threads", "show_config"]
