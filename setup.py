"""The compiled modules; everything else about the package is in pyproject.toml.

Every tinyrnn/**/*.pyx becomes a module. Three things can be chosen through the environment:

TINYRNN_OPENMP=auto|on|off  threads: where they work (the default), or fail without them, or none
TINYRNN_ISA=native|...      what x86-64 processor to compile for: this one (the default), or a value of the compiler's
                            -march such as x86-64-v3. Elsewhere the compiler's default is used and this is refused.
                            Several, with commas and from low to high: everything is compiled for the first, and the
                            modules with loops again for each other; the best is chosen when tinyrnn is imported.
CC, CFLAGS                  as for every Python package
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("tinyrnn/kernels")
GUARD = "tinyrnn.kernels.cpu"  # checks the processor, so it must run on every one
LEVELS = (os.environ.get("TINYRNN_ISA") or "native").split(",")
# A module is worth compiling again for a higher level when it is a kernel or holds loops of one: it cimports more than
# PLAIN from tinyrnn.kernels. Those in ONCE hand on what others compute, or go from number to number.
PLAIN = "cpu|parallel|mersenne|real|rows"
LOOPS = re.compile(rf"^from tinyrnn\.kernels(?: cimport|\.(?!({PLAIN}) )\w+ cimport) (?!mersenne)", re.MULTILINE)
ONCE = {"product", "fused_recurrent", "streaming", "rows", "ops_linalg", "ops_scan", "ops_sort"}

# Bounds checks stay on: kernels index raw pointers, which have none, and without them x[-1] of a tuple or a list reads
# whatever lies there.
DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
    "binding": True,
}

# Not -ffast-math: it breaks the rounding exp relies on. The two -fno free the vectoriser from errno and traps only.
# No contraction: a multiply-add is fused where the source says fma and nowhere else, whatever the processor.
UNIX_FLAGS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
BASELINE = ["-march=x86-64"]
# For the lowest of several levels: a sixth smaller, and a small operation costs the same.
SMALLER = ["-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic"]
MSVC_FLAGS = ["/O2", "/fp:precise"]

OPENMP_PROBE = """
#include <omp.h>
int main(void) {
    int i, sum = 0;
    #pragma omp parallel for reduction(+:sum)
    for (i = 1; i <= 100; i++) sum += i;
    return sum == 5050 && omp_get_max_threads() >= 1 ? 0 : 1;
}
"""


def extensions():
    """One Extension for each .pyx file, still uncompiled, so that an sdist carries the sources and no C.

    Further levels go to folders of their names: tinyrnn/kernels/x86-64-v3/gemm, of the module tinyrnn.kernels.gemm.
    """
    sources = sorted(Path("tinyrnn").rglob("*.pyx"))
    kernels = [path for path in KERNELS.glob("*.pyx") if path.stem not in PLAIN.split("|")]
    loops = [path for path in sources if path in kernels or LOOPS.search(path.read_text()) and path.stem not in ONCE]
    return [extension(path, "") for path in sources] + [extension(path, x) for x in LEVELS[1:] for path in loops]


def extension(path, level):
    built = Extension(
        ".".join([*path.parts[:-1], *filter(None, [level]), path.stem]),
        [path.as_posix()],
        include_dirs=[KERNELS.as_posix(), numpy.get_include()],
        # Cython follows the .pxd files; one header may include another, so a change in any rebuilds all.
        depends=sorted(header.as_posix() for header in Path("tinyrnn").rglob("*.h")),
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    )
    built.level = level
    return built


def processors():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class BuildExtensions(build_ext):
    """Chooses the flags once the compiler is known, then builds the modules side by side."""

    def finalize_options(self):
        """An editable install and --inplace share one folder, so that neither compiles what the other already has."""
        super().finalize_options()
        if self.inplace or self.editable_mode:
            self.build_lib = self.build_temp = f"build/{sys.implementation.cache_tag}"

    def copy_extensions_to_source(self):
        for ext in self.extensions:
            Path(*ext.name.split(".")[:-1]).mkdir(exist_ok=True)
        super().copy_extensions_to_source()

    def build_extensions(self):
        self.unix = self.compiler.compiler_type != "msvc"
        openmp_compile, openmp_link = self.openmp_flags()
        levels = self.level_flags()
        for ext in self.extensions:
            target = levels[ext.level or LEVELS[0]] + SMALLER * (len(LEVELS) > 1 and not ext.level)
            ext.extra_compile_args = UNIX_FLAGS + target + openmp_compile if self.unix else MSVC_FLAGS + openmp_compile
            ext.extra_link_args = openmp_link
            if ext.name == GUARD:
                ext.extra_compile_args = UNIX_FLAGS + BASELINE * bool(target) if self.unix else MSVC_FLAGS
                ext.extra_link_args = []
                table = ";".join(" ".join([name, *self.instruction_sets(f)]) for name, f in levels.items())
                ext.define_macros += [("TINYRNN_LEVELS", f'"{table}"')] if target else []
        self.parallel = self.parallel or processors()
        record, flags = self.flags_record()
        self.force = self.force or not record.exists() or record.read_text() != flags
        self.translate()
        super().build_extensions()
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(flags)

    def translate(self):
        """Each .pyx once into C; a further level compiles a copy of that, so that its object has a place of its own."""
        first = [ext for ext in self.extensions if not ext.level]
        translated = cythonize(
            first,
            build_dir="build/cython",
            compiler_directives=DIRECTIVES,
            force=self.force,
            quiet=True,
            nthreads=min(self.parallel, len(first)),
        )
        sources = {ext.sources[0]: result.sources for ext, result in zip(first, translated, strict=True)}
        for ext in self.extensions:
            ext.sources = sources[ext.sources[0]]
            if ext.level:
                copy = Path("build", ext.level, Path(ext.sources[0]).relative_to("build"))
                copy.parent.mkdir(parents=True, exist_ok=True)
                ext.sources = [str(shutil.copy2(ext.sources[0], copy))]

    def flags_record(self):
        """Where the last build's flags are kept, and this build's: file times do not show that a flag has changed."""
        flags = [DIRECTIVES, [(e.name, e.extra_compile_args, e.define_macros) for e in self.extensions]]
        return Path(self.build_temp, "flags.txt"), repr(flags)

    def openmp_flags(self):
        """(compile, link) flags for OpenMP; empty when it is off, or does not work and need not."""
        choice = os.environ.get("TINYRNN_OPENMP", "auto")
        if choice not in ("auto", "on", "off"):
            raise ValueError(f"TINYRNN_OPENMP must be auto, on or off, not {choice!r}")
        if choice == "off":
            return [], []
        if not self.unix:
            flags = ["/openmp"], []
        elif platform.system() == "Darwin":  # Apple's compiler knows the pragmas, the library comes from elsewhere
            flags = ["-Xpreprocessor", "-fopenmp"], ["-lomp"]
        else:
            flags = ["-fopenmp"], ["-fopenmp"]
        try:
            self.run_probe(*flags)
        except Exception as error:  # compiler classes raise their own kinds; any of them means no
            message = f"a small OpenMP program does not work here: {error}"
            if choice == "on":
                raise RuntimeError(f"TINYRNN_OPENMP=on, but {message}") from error
            warnings.warn(f"tinyrnn: building without threads, {message}", stacklevel=2)
            return [], []
        return flags

    def run_probe(self, compile_flags, link_flags):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(OPENMP_PROBE)
            objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=compile_flags)
            self.compiler.link_executable(objects, "probe", output_dir=folder, extra_postargs=link_flags)
            subprocess.run([self.compiler.executable_filename(str(Path(folder, "probe")))], check=True, timeout=60)

    def level_flags(self):
        """{level: the flags that choose the processor}"""
        if self.unix and platform.machine() in ("x86_64", "AMD64"):
            flags = {level: [f"-march={level}"] for level in LEVELS}
            for target in flags.values():
                # Compilers use half the width of AVX-512 unasked; all of it made exp and tanh 1.3 to 1.7x faster.
                target += ["-mprefer-vector-width=512"] * ("AVX512F" in self.instruction_sets(target))
            return flags
        if os.environ.get("TINYRNN_ISA"):
            raise ValueError(f"TINYRNN_ISA={','.join(LEVELS)}: only GCC and Clang on x86-64 can be told the processor")
        return {LEVELS[0]: []}

    def instruction_sets(self, target):
        """Those in the guard's table that the compiler may use, as its predefined macros tell."""
        command = [*self.compiler.compiler_so, *target, "-dM", "-E", "-x", "c", os.devnull]
        macros = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        defined = set(re.findall(r"^#define __(\w+?)__ 1$", macros, re.MULTILINE))
        known = re.findall(r'^    \{"(\w+)"', (KERNELS / "cpu.h").read_text(), re.MULTILINE)
        return [name for name in known if name in defined]


if __name__ == "__main__":  # Cython's worker processes import this file again on some systems
    setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExtensions})
