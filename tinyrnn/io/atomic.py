"""Files that are complete or not there."""
import contextlib
import errno
import os
import stat

__all__ = ["remove_unfinished", "replacing"]

UNFINISHED = ".saving-", ".tmp"             # how the names of files that are being written begin and end


@contextlib.contextmanager
def replacing(path):
    """A new binary file that takes the place of ``path`` in one step when the block ends well.

    It is written next to ``path``, flushed to the disk and renamed. If anything fails, what was at ``path`` before is
    untouched and the new file is removed. A symbolic link stays: the file that it leads to is replaced. What is no
    file, such as a folder, a pipe or /dev/null, is never replaced: OSError.
    """
    path = os.path.realpath(os.fspath(path))
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "only a file can be replaced, and this is none", path)
    folder = os.path.dirname(path)
    new = os.path.join(folder, f"{UNFINISHED[0]}{os.urandom(8).hex()}{UNFINISHED[1]}")
    mode = stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else None
    try:
        with open(new, "x+b", opener=lambda new, flags: os.open(new, flags, 0o666 if mode is None else 0o600)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(new, mode)
        os.replace(new, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        if getattr(error, "filename", None) == new:
            error.filename = path           # the one that was asked for
        raise
    if os.name == "posix":                  # the new name must reach the disk too
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def remove_unfinished(folder):
    """Removes what ``replacing`` was writing into a folder when its process was killed."""
    for name in os.listdir(folder):
        if name.startswith(UNFINISHED[0]) and name.endswith(UNFINISHED[1]):
            os.unlink(os.path.join(folder, name))
