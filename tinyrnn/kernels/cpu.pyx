"""The guard at the door: chooses what this processor can run, and refuses one that can run nothing of what is here.

A build from source holds every module once, compiled for one level: a name for what a processor can do. A wheel holds
the modules with loops again for each higher level. This module alone is compiled for every x86-64 processor. It is
imported first, so that a foreign processor gets an ImportError where it would otherwise stop the interpreter at an
illegal instruction.
"""
from libc.stdlib cimport getenv

cdef extern from "cpu.h":
    const char *TINYRNN_LEVELS
    const int CPU_FEATURES
    const char *cpu_feature_name(int i)
    bint cpu_feature_present(int i)


def levels():
    """{level: the instruction sets it uses beyond those every processor of the kind has}, from low to high."""
    table = {}
    for line in TINYRNN_LEVELS.decode().split(";"):
        name, *sets = line.split()
        table[name] = frozenset(sets)
    return table


def available():
    """The instruction sets this processor has and its operating system supports; empty where none are asked for."""
    return frozenset([cpu_feature_name(i).decode() for i in range(CPU_FEATURES) if cpu_feature_present(i)])


def wanted():
    """The level that TINYRNN_ISA in the environment names, or None."""
    cdef const char* name = getenv("TINYRNN_ISA")
    return None if name is NULL else name.decode(errors="replace") or None


def choose(levels, present, wanted=None):
    """The highest of `levels` for a processor with the instruction sets `present`, or `wanted` where it is not None.

    Raises ImportError, naming what is missing, when the processor can run none or not the wanted one, and when the
    wanted one is not there.
    """
    if wanted is not None:
        if wanted not in levels:
            raise ImportError(f"TINYRNN_ISA={wanted}: this tinyrnn was compiled for {', '.join(levels)}")
        if not levels[wanted] <= present:
            raise ImportError(f"TINYRNN_ISA={wanted} is for a processor with {lacking(levels[wanted], present)}, which "
                              "this one lacks")
        return wanted
    for name in reversed(levels):
        if levels[name] <= present:
            return name
    raise ImportError(
        f"tinyrnn was compiled for a processor with {lacking(next(iter(levels.values())), present)}, which this one "
        "lacks. Build it on this machine: `pip install --force-reinstall --no-cache-dir --no-binary tinyrnn tinyrnn`, "
        "or `make clean build` in its source folder. Built with TINYRNN_ISA=x86-64 in the environment, it runs on "
        "every x86-64 processor."
    )


def lacking(needed, present):
    return ", ".join(sorted(needed - present))


def folders(path, level):
    """Where a package looks for its modules: first in the folder of the level, then in place."""
    return [f"{folder}/{level}" for folder in path] + list(path)
