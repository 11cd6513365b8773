"""What this build of tinyrnn is: its version, and the report to put into a bug report."""

import numpy

from tinyrnn import kernels
from tinyrnn.kernels import cpu, parallel

__version__ = "0.1.0"


def show_config() -> None:
    """Print the versions of tinyrnn and NumPy, the processor level with its instruction sets, OpenMP, threads."""
    levels = cpu.levels()
    sets = " ".join(sorted(levels[kernels.level])) or "the compiler's default"
    print(f"tinyrnn           {__version__}")
    print(f"processor level   {kernels.level}, of {' '.join(levels)}")
    print(f"instruction sets  {sets}")
    print(f"OpenMP            {'yes' if parallel.has_openmp() else 'no'}")
    print(f"threads           {parallel.get_num_threads()}")
    print(f"NumPy             {numpy.__version__}")
