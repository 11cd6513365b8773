"""Files are complete or not there."""
import os
import stat

import numpy as np
import pytest

from tinyrnn.io import load, save
from tinyrnn.io.atomic import replacing


def test_an_error_in_the_block_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "x") as file:
        file.write(b"half")
        1 / 0  # noqa: B018
    assert os.listdir(tmp_path) == []


def test_a_long_name_and_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with replacing("x" * 250) as file:
        file.write(b"all")
    assert os.listdir(".") == ["x" * 250]


@pytest.mark.parametrize("broken", ["os.replace", "os.fsync", "numpy.lib.format.write_array"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch, broken, error):
    def fail(*args, **kwargs):
        raise error
    path = tmp_path / "c"
    save([1], path)
    before = path.read_bytes()
    monkeypatch.setattr(broken, fail)
    with pytest.raises(type(error)):
        save(np.ones(1), path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["c"]


def test_a_missing_folder_or_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        save(1, tmp_path / "no" / "c")
    assert raised.value.filename == str(tmp_path / "no" / "c")          # not the file that is written meanwhile
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "no")


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions and links")
def test_permissions_and_links_stay(tmp_path):
    path, link = tmp_path / "c", tmp_path / "link"
    save(1, path)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    path.chmod(0o640)
    link.symlink_to(path)
    save(2, str(link))
    assert link.is_symlink()
    assert load(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
