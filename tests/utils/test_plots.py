"""Pictures are written, and a missing package is named."""
import numpy as np
import pytest

from tinyrnn.utils.extras import optional
from tinyrnn.utils.plots import draw_attention, draw_curves


def test_curves(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    draw_curves(tmp_path / "a.png", {"a": ([1, 2], [3, 4]), "b": ([1], [2])}, "epoch", "loss", "both", True, True)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("n", [1, 3])
def test_attention(tmp_path, n):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    draw_attention(tmp_path / "a.png", [(["ein", "hund"], ["a", "dog", "."], np.full((3, 2), 0.5))] * n)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no examples"):
        draw_attention(tmp_path / "b.png", [])


def test_a_missing_package_is_named():
    with pytest.raises(ImportError, match="needs no_such_package: pip install no_such_package"):
        optional("no_such_package")
