"""How fast: loops over raw pointers, without Python objects, in float and double.

``level`` is what the modules in use were compiled for: the best this processor can run of what is here, or TINYRNN_ISA.
"""

from tinyrnn.kernels import cpu

level = cpu.choose(cpu.levels(), cpu.available(), cpu.wanted())
__path__ = cpu.folders(__path__, level)
