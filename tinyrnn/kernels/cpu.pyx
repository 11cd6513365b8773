"""The guard at the door: refuses a processor that lacks an instruction set the other modules were compiled for.

This module alone is compiled for every x86-64 processor. It is imported first, so that a foreign processor gets an
ImportError where it would otherwise stop the interpreter at an illegal instruction.
"""

cdef extern from "cpu.h":
    const char *TINYRNN_REQUIRED
    const int CPU_FEATURES
    const char *cpu_feature_name(int i)
    bint cpu_feature_present(int i)


def required():
    """The instruction sets the other modules were compiled for, beyond those every processor of the kind has."""
    return frozenset(TINYRNN_REQUIRED.decode().split())


def available():
    """The instruction sets this processor has and its operating system supports; empty where none are asked for."""
    return frozenset([cpu_feature_name(i).decode() for i in range(CPU_FEATURES) if cpu_feature_present(i)])


def check(needed, present):
    """Raise ImportError, naming what is missing, unless every instruction set in `needed` is also in `present`."""
    missing = sorted(set(needed) - set(present))
    if missing:
        raise ImportError(
            f"tinyrnn was compiled for a processor with {', '.join(missing)}, which this one lacks. Build it on "
            "this machine: `pip install --force-reinstall --no-cache-dir --no-binary tinyrnn tinyrnn`, or `make clean "
            "build` in its source folder. Built with TINYRNN_ISA=x86-64 in the environment, it runs on every x86-64 "
            "processor."
        )
