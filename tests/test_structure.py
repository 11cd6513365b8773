"""The house rules that a machine can check: sizes of files and functions, and which floor may use which."""

import ast
import re
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tinyrnn"
FILE_LINES = 400
FUNCTION_LINES = 40

# From the ground up; a file belongs to the first row that fits. A file uses its own floor and those below.
FLOORS = (
    ("ground", "kernels/__init__ kernels/real kernels/denormals kernels/fastmath kernels/specials kernels/lanes "
     "kernels/parallel kernels/cpu kernels/mersenne kernels/allocator"),
    ("products", "kernels/gemm kernels/tile kernels/pointwise kernels/reduce kernels/rows kernels/loss "
     "kernels/normalize"),
    ("sequences", "kernels/sequence kernels/rnn kernels/gru kernels/lstm kernels/recurrent kernels/attention "
     "kernels/optimise"),
    ("engine", "autograd/layout autograd/arrays autograd/tensor autograd/engine autograd/graph autograd/generator "
     "autograd/rows autograd/product autograd/deferred autograd/dtypes autograd/device autograd/grad_mode "
     "autograd/handle"),
    ("operations", "autograd/ops_* autograd/fused* autograd/recurrence autograd/reference* autograd/streaming "
     "autograd/creation autograd/randomness"),
    ("autograd", "autograd/__init__ autograd/methods autograd/function autograd/check"),
    ("layers", "nn/* optim/*"),
    ("top", "io/* utils/* inspect/* __init__ config"),
)
HELP = "no floor for {}: add it to FLOORS in tests/test_structure.py, on the lowest floor that fits"


def sources(*suffixes):
    files = sorted(path for path in PACKAGE.rglob("*") if path.suffix in suffixes)
    assert files, f"found no {suffixes} under {PACKAGE}"
    return [pytest.param(path, id=path.relative_to(PACKAGE).as_posix()) for path in files]


def stem(path):
    """tinyrnn/kernels/cpu.pyx -> kernels/cpu"""
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def floor(name):
    for level, (_, patterns) in enumerate(FLOORS):
        if any(fnmatch(name, pattern) for pattern in patterns.split()):
            return level
    raise AssertionError(HELP.format(name))


def function_lengths(path):
    """(name, first line, number of lines) of every function in a Python or Cython file, nested ones included."""
    text = path.read_text()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name, node.lineno, node.end_lineno - node.lineno + 1
    else:
        yield from cython_function_lengths(text)


def cython_function_lengths(text):
    """By indentation: from the header to the last line that is deeper. Cython has no parser to ask."""
    name, arguments = r"^( *)(?:def|cpdef|cdef)\b[^\n:=(]*?(\w+)", r" *\((?:[^()]|\([^()]*\))*\)"
    for match in re.finditer(name + arguments + r"[^\n():=]*:[^\n]*$", text, re.MULTILINE):
        end = match.end()
        for line in text[end:].splitlines(keepends=True):
            if line.strip() and len(line) - len(line.lstrip()) <= len(match[1]):
                break
            end += len(line)
        yield match[2], text.count("\n", 0, match.start()) + 1, text[match.start():end].rstrip().count("\n") + 1


def imports(text, package):
    """Dotted names that a Python or Cython file in `package` imports or cimports, anywhere in it."""
    text = re.sub(r'"""(?:.|\n)*?"""|\'\'\'(?:.|\n)*?\'\'\'|#[^\n]*', "", text)
    for names in re.findall(r"^ *c?import +([^\n;]+)", text, re.MULTILINE):
        yield from (name.split(" as ")[0].strip() for name in names.split(","))
    for dots, base, names in re.findall(r"^ *from +(\.*)([\w.]*) +c?import +(\([^)]*\)|[^\n;]+)", text, re.MULTILINE):
        if dots:
            base = ".".join([*package.split(".")[: len(package.split(".")) - len(dots) + 1], *filter(None, [base])])
        for name in names.strip("()").split(","):
            if name.strip():
                yield f"{base}.{name.split(' as ')[0].strip()}"


def used_stems(path):
    """Stems of the files of the package that this file imports: the submodule named, or else the module it is in."""
    package = ".".join(["tinyrnn", *path.relative_to(PACKAGE).parts[:-1]])
    for name in imports(path.read_text(), package):
        parts = name.split(".")
        if parts.pop(0) != "tinyrnn":
            continue
        while parts and not any(PACKAGE.joinpath(*parts).with_suffix(s).exists() for s in (".py", ".pyx", ".pxd")):
            if PACKAGE.joinpath(*parts).is_dir():
                parts.append("__init__")
                break
            parts.pop()
        yield "/".join(parts) or "__init__"


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd", ".h"))
def test_file_fits_one_sitting(path):
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES, f"{stem(path)} has {lines} lines, the budget is {FILE_LINES}"


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd"))
def test_functions_fit_a_screen(path):
    long = [f"{name} (line {line}): {n}" for name, line, n in function_lengths(path) if n > FUNCTION_LINES]
    assert not long, f"{stem(path)}: functions over {FUNCTION_LINES} lines: {', '.join(long)}"


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd", ".h"))
def test_nothing_imports_upward(path):
    level = floor(stem(path))
    for used in used_stems(path) if path.suffix != ".h" else ():
        assert floor(used) <= level, f"{stem(path)} ({FLOORS[level][0]}) imports {used} ({FLOORS[floor(used)][0]})"
        assert not (stem(path).startswith("nn/") and used.startswith("kernels/")), f"{stem(path)} imports {used}"


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd"))
def test_dependencies(path):
    allowed = {"tinyrnn", "cython", "libc", "cpython"}
    if not stem(path).startswith("kernels/"):
        allowed |= {"numpy", *sys.stdlib_module_names}
    package = ".".join(["tinyrnn", *path.relative_to(PACKAGE).parts[:-1]])
    foreign = {name for name in imports(path.read_text(), package) if name.split(".")[0] not in allowed}
    assert not foreign, f"{stem(path)} imports {foreign}"


# The rules above rest on three small readers of source text; these show that they see what they should.


def test_cython_functions_are_measured():
    text = (
        "cdef inline int f(int a,\n                  (int, int) b) except -1:\n    if a:\n\n        return b\n\n\n"
        "cdef int declared(int a) noexcept nogil\n"
        "cdef int x = g(1)\n"
        "cdef class C:\n    def m(self, d={1: 2}):\n"
        "        def nested(y): return y\n        return nested\n\n    x = 1\n"
        "cpdef double h() noexcept nogil: # one\n    return 1\n"
    )
    assert list(cython_function_lengths(text)) == [("f", 1, 5), ("m", 11, 3), ("nested", 12, 1), ("h", 16, 2)]


def test_imports_are_seen():
    text = (
        '"""\nimport docstring\n"""\nimport a, b.c as d  # import comment\nfrom e cimport f as g, h\ncimport i\n'
        "def later():\n    from j import (\n        k,\n        l,\n    )\n"
        "from . import m\nfrom ..n.o import p\nfrom .q cimport r\n"
    )
    found = ["a", "b.c", "i", "e.f", "e.h", "j.k", "j.l", "tinyrnn.x.m", "tinyrnn.n.o.p", "tinyrnn.x.q.r"]
    assert list(imports(text, "tinyrnn.x")) == found


def test_imports_lead_to_files():
    assert "kernels/cpu" in used_stems(PACKAGE / "config.py")
    assert set(used_stems(PACKAGE / "__init__.py")) >= {"kernels/__init__", "kernels/parallel", "config"}


def test_floors_are_ordered_and_unknown_files_need_one():
    names = ["kernels/parallel", "kernels/gemm", "kernels/gru", "autograd/engine", "autograd/ops_math",
             "autograd/check", "nn/utils/rnn", "utils/data/loader"]
    assert [floor(name) for name in names] == list(range(len(FLOORS)))
    with pytest.raises(AssertionError, match="no floor for kernels/magic: add it"):
        floor("kernels/magic")
