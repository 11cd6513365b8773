"""The forecaster learns, goes on bit for bit, streams the same bits, and finds an anomaly; on a series of 500 rows."""
import gzip
import os
import re
from pathlib import Path

import numpy as np
import pytest

import tinyrnn

pytest.importorskip("tqdm", reason="tqdm is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")
ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TINYRNN_DATA", ROOT.parent / "shared" / "data")) / "series"
SMALL = ["--column", "y", "--horizon", "4", "--season", "8", "--window", "16", "--size", "8", "--batch", "8",
         "--updates", "30", "--epochs", "2", "--threads", "1", "--lr", "0.01", "--dropout", "0.1"]
SPIKE = 480


@pytest.fixture(scope="module")
def forecast(load_example):
    return load_example("forecast")


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A season of 8 whose sign turns every 56 rows or so, noise, and one wrong value."""
    rng = np.random.default_rng(0)
    t = np.arange(500)
    y = np.sin(t * np.pi / 4) * np.sign(np.sin(t / 18)) + 0.05 * rng.standard_normal(500)
    y[SPIKE] += 5
    path = tmp_path_factory.mktemp("series") / "series.csv.gz"
    path.write_bytes(gzip.compress("".join(["time,y\n", *(f"row {i},{v}\n" for i, v in enumerate(y))]).encode()))
    return path


def table(printed):
    """{way of forecasting: its RMSE}"""
    found = re.findall(r"^(\w[\w ]*?) +[\d.]+ +(\d\.\d{4})$", printed, re.MULTILINE)
    return {name: float(rmse) for name, rmse in found}


@pytest.mark.parametrize("options", [[], ["--unit", "lstm", "--mixture", "3"]])
def test_it_forecasts_and_finds_the_anomaly(forecast, series, tmp_path, capsys, options):
    forecast.main([str(series), *SMALL, "--epochs", "4", "--out", str(tmp_path), "--watch", "--anomalies", *options])
    printed = capsys.readouterr().out
    errors = table(printed)
    assert errors["LSTM" if options else "GRU"] < errors["seasonal naive"] < errors["naive"]
    assert "One row at a time: the same bits" in printed
    assert f"  row {SPIKE}  " in printed
    assert ("80 % intervals" in printed) == bool(options)
    for picture in ("forecast.png", "anomalies.png", "training.png", "gradients.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    forecast.main([str(series), *SMALL, "--epochs", "4", "--out", str(tmp_path), "--resume", *options])    # no training
    assert table(capsys.readouterr().out) == errors


def train(forecast, series, folder, *options):
    forecast.main([str(series), *SMALL, "--out", str(folder), "--watch", *options])
    saved = tinyrnn.load(folder / "last.npz")
    return saved["model"] | saved["norms"], [line["valid_mse"] for line in saved["run"]["history"]]


@pytest.fixture(scope="module")
def whole(forecast, series, tmp_path_factory):
    return train(forecast, series, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("number", [2, 45])
def test_going_on_is_bit_for_bit(forecast, series, whole, tmp_path, interrupt, number):
    interrupt(forecast, "clip_grad_norm_", number)
    with pytest.raises(SystemExit, match=f"Stopped after {number} updates"):
        train(forecast, series, tmp_path)
    cut, errors = train(forecast, series, tmp_path, "--resume")
    assert errors == whole[1]
    for name, a in whole[0].items():
        np.testing.assert_array_equal(np.asarray(a), np.asarray(cut[name]), err_msg=name)


@pytest.mark.parametrize(("unit", "mixture"), [("gru", 0), ("lstm", 0), ("gru", 3)])
def test_streaming_is_bit_for_bit(forecast, unit, mixture):
    model = forecast.Forecaster(5, unit, 16, mixture).eval()
    rows = tinyrnn.randn(40, 2, 3)
    streamed = np.stack([forecast.numpy() for forecast in model.stream(rows)])
    np.testing.assert_array_equal(streamed, model(rows).numpy())


def test_what_is_read_depends_on_the_past_alone(forecast):
    """The features of the first rows are the same bits whatever follows, and free of the level."""
    values = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    whole = forecast.features(values, 10, 7, 50)
    np.testing.assert_array_equal(forecast.features(values[:60], 10, 7, 50), whole[:60])
    np.testing.assert_allclose(forecast.features(values + 8, 10, 7, 50), whole, atol=1e-4)
    t = 42
    np.testing.assert_allclose(whole[t], [(values[t] - values[t - 1]) / np.diff(values, prepend=values[0])[:50].std(),
                                          values[t] - values[t - 9:t + 1].mean(), values[t - 6] - values[t]], rtol=1e-4)


class Plain:
    """A series as the functions without a network take it."""

    def __init__(self, forecast, values, valid, test):
        self.values, self.valid, self.test = values, valid, test
        for name in ("origins", "futures", "pasts"):
            setattr(self, name, getattr(forecast.Series, name).__get__(self))


def test_forecasts_without_a_network(forecast):
    series = Plain(forecast, np.arange(10, dtype=np.float32), 4, 7)
    origins = series.origins(4, 10, 3)
    assert origins.tolist() == [3, 4, 5, 6]                             # rows 4 to 9 are to be forecast
    np.testing.assert_array_equal(series.futures(origins, 3)[0], [4, 5, 6])
    np.testing.assert_array_equal(series.pasts(origins, 2)[0], [2, 3])
    np.testing.assert_array_equal(forecast.naive(series, origins, 3)[1], [4, 4, 4])
    np.testing.assert_array_equal(forecast.seasonal_naive(series, origins, 3, 2)[1], [3, 4, 3])
    change = [0.3]
    for noise in np.random.default_rng(0).standard_normal(299):
        change.append(0.6 * change[-1] + 0.5 + 0.1 * noise)
    series = Plain(forecast, np.cumsum(change).astype(np.float32), 200, 250)
    found = forecast.Linear(series, 2, 1)(series, series.origins(250, 300, 1), 1)[:, 0]
    expected = series.values[249:299] + 0.6 * np.diff(series.values)[248:298] + 0.5
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_what_is_missing_or_wrong_is_said(forecast, series, tmp_path, capsys):
    def run(path, *options):
        forecast.main([str(path), *SMALL, "--out", str(tmp_path), *options])
    with pytest.raises(SystemExit, match="ETTh1 is at https://github.com/zhouhaoyi/ETDataset"):
        run(tmp_path / "none.csv")
    with pytest.raises(SystemExit, match="no column 'z': there are time, y"):
        run(series, "--column", "z")
    with pytest.raises(SystemExit, match="has 500 rows: too few for --split"):
        run(series, "--split", "400", "80", "80")
    for content, message in (("three", "not every row of y is a number: .*'three'"), ("nan", "row 2 of y is not fin")):
        (tmp_path / "words.csv").write_text(f"time,y\n1,2\n2,{content}\n")
        with pytest.raises(SystemExit, match=message):
            run(tmp_path / "words.csv")
    (tmp_path / "constant.csv").write_text("\ufefftime,y\n" + "1,2\n" * 500)
    with pytest.raises(SystemExit, match="y has a standard deviation of 0.0 in the training rows"):
        run(tmp_path / "constant.csv")
    with pytest.raises(SystemExit, match="no column 'z': there are time, y"):
        run(tmp_path / "constant.csv", "--column", "z")
    for content in (series.read_bytes()[:-20], b"time,y\n1,\xe4"):
        (tmp_path / "cut.csv.gz").write_bytes(content)
        with pytest.raises(SystemExit, match="is not a CSV file"):
            run(tmp_path / "cut.csv.gz")
    with pytest.raises(SystemExit):
        run(series, "--season", "0")
    assert "--season: must be a whole number above 0" in capsys.readouterr().err


def test_resume_refuses_other_data(forecast, series, tmp_path):
    text = gzip.decompress(series.read_bytes()).decode()
    (tmp_path / "s.csv").write_text(text)
    train(forecast, tmp_path / "s.csv", tmp_path)
    (tmp_path / "s.csv").write_text(text.rsplit("row", 1)[0])
    with pytest.raises(SystemExit, match="data: "):
        train(forecast, tmp_path / "s.csv", tmp_path, "--resume")


@pytest.mark.parametrize(("name", "column", "rows"), [("ETTh1.csv.gz", "OT", 17_420),
                                                      ("monthly-sunspots.csv", "Sunspots", 2_820)])
def test_real_series(forecast, name, column, rows):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not there")
    values, labels = forecast.read_column(DATA / name, column)
    assert len(values) == len(labels) == rows and np.isfinite(values).all()
