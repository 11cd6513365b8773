"""Checkpoints: nested dicts, lists and tuples of tensors and plain values, in one file, without pickle.

The file is a zip archive as ``numpy.savez`` writes it: one .npy entry for each array, so that
``numpy.load(path, allow_pickle=False)`` reads them, and ``structure.json``, which says where they belong (see
``tinyrnn.io.structure``). Nothing is compressed, the same object gives the same bytes, and loading never runs code.
"""
import contextlib
import io
import math
import os

import numpy as np

from tinyrnn.io.atomic import replacing
from tinyrnn.io.structure import pack, unpack

__all__ = ["CheckpointError", "load", "save"]

FORMAT, VERSION = "tinyrnn checkpoint", 1
STRUCTURE = "structure.json"
STORED = 0                              # zip's number for "not compressed"


class CheckpointError(ValueError):
    """A file that is no checkpoint, or a damaged one. The message names the file and what is wrong."""


# ---- saving ----------------------------------------------------------------------------------------------------------

def save(obj, f):
    """Writes nested objects to a path or a binary file.

    Saved exactly: dicts with str or int keys (subclasses as OrderedDict become dict), lists, tuples, tensors, NumPy
    arrays and scalars of numbers and bools, int of any size, float with inf and nan, bool, None, str and bytes.
    Anything else raises TypeError that names the place, as ``model.layers[3].foo``, before anything is written.

    A tensor that requires a gradient does so after loading, as a leaf; its history and its .grad are not saved. One
    tensor or array in two places is saved once and is one object after loading; two views of the same memory become
    independent.

    A path is written in one step: if anything fails, the file that was there before is untouched.
    """
    if isinstance(f, io.TextIOBase):
        raise TypeError("save: the file is open for text; open it with mode 'wb'")
    structure, arrays = pack(obj)
    import json  # here, as it takes a while to import, and few programs save

    text = json.dumps({"format": FORMAT, "version": VERSION, "content": structure})
    with contextlib.nullcontext(f) if hasattr(f, "write") else replacing(f) as file:
        write(file, text, arrays)


def write(file, text, arrays):
    import zipfile  # as above

    with zipfile.ZipFile(file, "w", STORED) as archive:
        archive.writestr(zipfile.ZipInfo(STRUCTURE), text)          # ZipInfo: always the same date
        for entry, array in arrays.items():
            with archive.open(zipfile.ZipInfo(entry), "w", force_zip64=True) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


# ---- loading ---------------------------------------------------------------------------------------------------------

def load(f, map_location=None, *, weights_only=None):
    """Reads what ``save`` wrote, from a path or a binary file.

    Raises CheckpointError for any other file, a truncated or a damaged one. ``map_location`` may be "cpu", where
    tensors are anyway; ``weights_only`` may be True: code is never run.
    """
    if map_location is not None and str(map_location) != "cpu":
        raise ValueError(f"load: map_location={map_location!r} is not supported: the only device is 'cpu'")
    if weights_only not in (None, True):
        raise ValueError("load: weights_only=False is not supported: loading never runs code")
    if isinstance(f, io.TextIOBase):
        raise TypeError("load: the file is open for text; open it with mode 'rb'")
    if hasattr(f, "read"):
        return read(io.BytesIO(f.read()), getattr(f, "name", "checkpoint"))
    with open(f, "rb") as file:
        return read(file, os.fspath(f))


def read(file, name):
    import zipfile

    try:
        start = file.read(4)
        if not start.startswith(b"PK"):
            raise CheckpointError(foreign(start))
        with zipfile.ZipFile(file) as archive:
            return Archive(archive, file.seek(0, os.SEEK_END)).content()
    except MemoryError:
        raise
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from None
    except Exception as error:          # whatever the readers of zip, JSON and .npy say to bytes nobody wrote
        raise CheckpointError(f"{name}: truncated or damaged: {error or type(error).__name__}") from error


def foreign(start):
    if not start:
        return "the file is empty"
    if start[:1] == b"\x80":
        return "a pickle, as old versions of PyTorch write; loading it could run code, so it is not read here"
    return "not a tinyrnn checkpoint"


class Archive:
    """The entries of an open zip file. Sizes are checked before anything is read: no entry is larger than the file."""

    def __init__(self, archive, size):
        self.archive = archive
        self.entries = {info.filename: info for info in archive.infolist()}
        self.used = {STRUCTURE}
        if any(entry.endswith("data.pkl") for entry in self.entries):
            raise CheckpointError("written by torch.save: it holds a pickle, which could run code, so it is not "
                                  "read here")
        if STRUCTURE not in self.entries:
            raise CheckpointError(f"not a tinyrnn checkpoint: it has no {STRUCTURE}")
        if len(self.entries) != len(archive.infolist()):
            raise CheckpointError("two entries have the same name")
        for entry, info in self.entries.items():
            if info.compress_type != STORED or info.compress_size != info.file_size or info.flag_bits & 1:
                raise CheckpointError(f"{entry}: compressed or encrypted, which a checkpoint never is")
        if sum(info.file_size for info in self.entries.values()) > size:
            raise CheckpointError("its entries claim to be larger than the file")

    def content(self):
        import json

        header = json.loads(self.archive.read(STRUCTURE), parse_constant=refuse_constant)
        if not isinstance(header, dict) or header.get("format") != FORMAT or "content" not in header:
            raise CheckpointError(f"not a tinyrnn checkpoint: {STRUCTURE} says otherwise")
        if header.get("version") != VERSION:
            raise CheckpointError(f"version {header.get('version')!r} of the format, this is version {VERSION}")
        content = unpack(header["content"], self.array)
        unknown = sorted(self.entries.keys() - self.used)
        if unknown:
            raise CheckpointError(f"entries that {STRUCTURE} does not mention: {unknown[:5]}")
        return content

    def array(self, entry):
        """The array of an entry, on memory of its own."""
        if entry not in self.entries or not entry.endswith(".npy"):
            raise CheckpointError(f"{entry}: {STRUCTURE} mentions this array, but it is not there")
        self.used.add(entry)
        data = self.archive.read(entry)             # checks the sum of the entry
        file = io.BytesIO(data)
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in header:
            raise CheckpointError(f"{entry}: version {version} of the .npy format")
        shape, fortran, dtype = header[version](file)
        if dtype.hasobject or dtype.kind not in "biufc" or dtype.subdtype is not None:
            raise CheckpointError(f"{entry}: dtype {dtype}, expected numbers or bools")
        expected = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or expected != len(data) - file.tell():
            raise CheckpointError(f"{entry}: shape {shape} of {dtype} needs {expected} bytes, "
                                  f"found {len(data) - file.tell()}")
        flat = np.frombuffer(data, dtype, offset=file.tell()).copy()
        if dtype.kind == "b" and flat.view(np.uint8).max(initial=0) > 1:
            raise CheckpointError(f"{entry}: bools other than 0 and 1")
        return flat.reshape(shape, order="F" if fortran else "C")


def refuse_constant(name):
    raise CheckpointError(f"{STRUCTURE}: {name} is not JSON")
