"""How fast: loops over raw pointers, without Python objects, in float and double.

``level`` is what the modules in use were compiled for: the best this processor can run of what is here, or TINYRNN_ISA.
"""

try:
    from tinyrnn.kernels import cpu
except ImportError as error:
    raise ImportError("tinyrnn: nothing in this folder is compiled. It is the source: `make build` compiles it here; "
                      "leave the folder to import an installed tinyrnn") from error

level = cpu.choose(cpu.levels(), cpu.available(), cpu.wanted())
__path__ = cpu.folders(__path__, level)
