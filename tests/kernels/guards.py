"""Memory for NumPy's arrays in which a read or write past either end stops the process.

Every array gets pages of its own, between two pages that nobody may touch. ``guard("end")`` lets arrays end where the
second begins, ``guard("start")`` lets them start where the first ends. The allocator is guards.c: it also runs while
Python has an error pending, so it cannot be Python.
"""
import ctypes
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy._core import _multiarray_umath

SET_HANDLER = 304                       # the place of PyDataMem_SetHandler in NumPy's table of C functions
NAME = ctypes.c_char_p(b"mem_handler")  # of the capsule; NumPy and the capsule keep the pointer


def compiled():
    source = Path(__file__).with_suffix(".c")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "guards.so")
        compiler = shlex.split(os.environ.get("CC", "cc"))
        subprocess.run([*compiler, "-O1", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))


def guard(side):
    """From now on, until the process ends. May be called again with the other side."""
    assert side in ("end", "start")
    python = ctypes.pythonapi
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    python.PyCapsule_New.restype = ctypes.py_object
    python.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    pointer = python.PyCapsule_GetPointer(_multiarray_umath._ARRAY_API, None)
    table = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_void_p))
    guards = compiled().guards
    guards.restype = ctypes.c_void_p
    capsule = python.PyCapsule_New(guards(side == "end"), NAME, None)
    ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])(capsule)
    probe = np.empty(3, np.float32)
    assert (probe.ctypes.data + (probe.nbytes if side == "end" else 0)) % 4096 == 0, "NumPy did not take this memory"
