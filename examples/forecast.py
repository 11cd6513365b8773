"""Forecast a series of numbers, many steps ahead, beside what needs no network; and find its anomalies.

A recurrent network reads the series one row at a time and says after every row how it goes on: a table of H numbers,
or, with `--mixture K`, a distribution over them. It is compared with the last value repeated, with the season before,
and with a linear model of the last L values. Rows are split in order, into training, validation and test; everything
is in units of the standard deviation of the training rows.

    python examples/forecast.py ETTh1.csv.gz --column OT --split 8640 2880 2880 --horizon 24 --out runs/ett24
    python examples/forecast.py monthly-sunspots.csv --column Sunspots --horizon 12 --season 132 --out runs/sunspots

Ctrl-C saves and `--resume` goes on. `--anomalies` marks the test rows that the forecast one step ahead did not see
coming. ETTh1 is at https://github.com/zhouhaoyi/ETDataset, sunspots at https://github.com/jbrownlee/Datasets.
"""

import argparse
import csv
import zlib
from pathlib import Path

import numpy as np

import tinyrnn
from tinyrnn import inspect, nn, optim
from tinyrnn.nn.functional import mse_loss
from tinyrnn.nn.utils import clip_grad_norm_
from tinyrnn.utils.arguments import count, fraction, kind, nonnegative, positive
from tinyrnn.utils.data import TextError, read_lines
from tinyrnn.utils.plots import draw_curves, figure
from tinyrnn.utils.training import Run

SOURCE = "ETTh1 is at https://github.com/zhouhaoyi/ETDataset, others at https://github.com/jbrownlee/Datasets"

# --- The data ---------------------------------------------------------------------------------------------------------


def read_column(path, column):
    """The numbers of one column of a CSV file (N,), plain or gzip, and the first column as labels."""
    if not path.is_file():
        raise SystemExit(f"{path} is not there. {SOURCE}")
    try:
        rows = list(csv.DictReader(read_lines(path)))
    except (TextError, csv.Error) as error:
        raise SystemExit(f"{path} is not a CSV file: {error}") from None
    if not rows or column not in rows[0]:
        raise SystemExit(f"{path} has no column {column!r}: there are {', '.join(map(str, rows[0] if rows else ()))}")
    try:
        values = np.array([float(row[column]) for row in rows])
    except (TypeError, ValueError) as error:
        raise SystemExit(f"{path}: not every row of {column} is a number: {error}") from None
    if not np.isfinite(values).all():
        raise SystemExit(f"{path}: row {np.isfinite(values).argmin() + 1} of {column} is not finite")
    return values, [next(iter(row.values())) for row in rows]


def features(values, window, season, valid):
    """What the network reads of each row (N, 3), from this row and those before: nothing depends on the level.

    The change since the row before; the distance from the mean of the last L rows; and how far the row a season before
    the next one is from this one.
    """
    t = np.arange(len(values))
    change = np.diff(values, prepend=values[0])
    total, first = np.append(0.0, values.cumsum(dtype=float)), np.maximum(t + 1 - window, 0)
    mean = (total[t + 1] - total[first]) / (t + 1 - first)
    season_before = values[np.maximum(t + 1 - season, 0)]
    return np.stack([change / (change[:valid].std() or 1), values - mean, season_before - values], 1).astype(np.float32)


class Series:
    """A standardised series, what the network reads of it, and the rows where validation, test and the rest begin."""

    def __init__(self, args):
        values, self.labels = read_column(args.csv, args.column)
        N = len(values)
        sizes = args.split or (N * 60 // 100, N * 20 // 100, N * 20 // 100)
        self.valid, self.test, self.end = np.cumsum(sizes).tolist()
        enough = max(args.window, args.season) + 2 * args.horizon
        if self.end > N or self.valid < enough or min(sizes[1:]) < 2 * args.horizon:
            raise SystemExit(f"{args.csv} has {N} rows: too few for --split {sizes}, or these for the other options")
        self.mean, self.scale = values[:self.valid].mean(), values[:self.valid].std()
        if not 0 < self.scale < np.inf:
            raise SystemExit(f"{args.csv}: {args.column} has a standard deviation of {self.scale} in the training rows")
        self.values = ((values - self.mean) / self.scale)[:self.end].astype(np.float32)
        self.rows = features(self.values, args.window, args.season, self.valid)

    def origins(self, start, end, horizon):
        """The last known rows of all forecasts that lie within rows start to end."""
        return np.arange(start - 1, end - horizon)

    def futures(self, origins, horizon):
        """What came after each origin: (len(origins), horizon)."""
        return self.values[origins[:, None] + np.arange(1, horizon + 1)]

    def pasts(self, origins, window):
        """What was known at each origin: (len(origins), window), the origin last."""
        return self.values[origins[:, None] + np.arange(1 - window, 1)]


# --- Forecasts without a network --------------------------------------------------------------------------------------


def naive(series, origins, horizon):
    """The last value again and again."""
    return np.repeat(series.values[origins, None], horizon, 1)


def seasonal_naive(series, origins, horizon, season):
    """The last whole season again and again."""
    return series.values[origins[:, None] + 1 - season + np.arange(horizon) % season]


class Linear:
    """Every future value as a linear function of the last L: least squares with the penalty that is best in validation.

    Pasts and futures are taken relative to the last known value, so that the level of the series does not matter.
    """

    def __init__(self, series, window, horizon):
        self.window = window
        x, y = self.features(series, series.origins(window, series.valid, horizon), horizon)
        valid = series.origins(series.valid, series.test, horizon)
        penalties = 10.0 ** np.arange(-2, 6)
        fits = [np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y) for penalty in penalties]

        def error(weight):
            self.weight = weight
            return np.square(self(series, valid, horizon) - series.futures(valid, horizon)).mean()
        self.weight = min(fits, key=error)

    def features(self, series, origins, horizon):
        last = series.values[origins, None].astype(float)
        x = np.hstack([series.pasts(origins, self.window)[:, :-1] - last, np.ones_like(last)])
        return x, series.futures(origins, horizon) - last

    def __call__(self, series, origins, horizon):
        return self.features(series, origins, horizon)[0] @ self.weight + series.values[origins, None]


# --- The model --------------------------------------------------------------------------------------------------------


class Forecaster(nn.Module):
    """Rows (T, B, 3) -> the change from each row to the next H: (T, B, H), or a mixture of K such tables."""

    def __init__(self, horizon, unit="gru", size=64, mixture=0, dropout=0.3):
        super().__init__()
        self.rnn = {"gru": nn.GRU, "lstm": nn.LSTM}[unit](3, size)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.MixtureDensity(size, horizon, mixture) if mixture else nn.Linear(size, horizon)

    def loss(self, rows, change):
        """Of the last steps, which ``change`` is for: mean square, or of a mixture minus log-likelihood per number."""
        output = self.dropout(self.rnn(rows)[0][-len(change):])
        if isinstance(self.out, nn.MixtureDensity):
            return self.out.loss(output, change) / change.shape[-1]
        return mse_loss(self.out(output), change)

    def point(self, output):
        """The forecast, which of a mixture is its mean."""
        out = self.out(output)
        return out.mean() if isinstance(self.out, nn.MixtureDensity) else out

    @tinyrnn.no_grad()
    def forward(self, rows):
        """Forecasts after every row, in one go."""
        return self.point(self.rnn(rows)[0])

    @tinyrnn.no_grad()
    def stream(self, rows):
        """The same one row at a time, as they come in: yields (B, H) after each of (B, 3)."""
        state = None
        for row in rows:
            output, state = self.rnn.step(row, state)
            yield self.point(output)


def forecasts(model, series, origins):
    """(len(origins), H): the network reads the whole series up to each origin, once for all of them."""
    change = model.eval()(tinyrnn.tensor(series.rows[:origins[-1] + 1, None])).numpy()[origins, 0]
    return change + series.values[origins, None]


# --- Training ---------------------------------------------------------------------------------------------------------


def batches(series, args, epoch):
    """Random windows of the training rows: (L, B, 3), and the changes from each of the last L/2 to the next H."""
    rng = np.random.default_rng([args.seed, epoch])
    for _ in range(args.updates):
        starts = rng.integers(0, series.valid - args.window - args.horizon + 1, args.batch)
        origins = starts + np.arange(args.window // 2, args.window)[:, None]
        change = series.futures(origins.ravel(), args.horizon) - series.values[origins.ravel(), None]
        change = tinyrnn.tensor(change.reshape(*origins.shape, args.horizon))
        yield tinyrnn.tensor(series.rows[starts + np.arange(args.window)[:, None]]), change


def train(args, series):
    """Trains, and returns the model of the epoch with the smallest validation error."""
    tinyrnn.set_num_threads(args.threads)
    tinyrnn.manual_seed(args.seed)
    model = Forecaster(args.horizon, args.unit, args.size, args.mixture, args.dropout)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    norms = inspect.GradientNorms(model)
    config = {name: value for name, value in vars(args).items() if name not in ("out", "anomalies")}
    config["data"] = zlib.crc32(series.values.tobytes())
    run = Run(args.out, {"model": model, "optimizer": optimizer, "norms": norms}, config, args.resume, "valid_mse")
    origins = series.origins(series.valid, series.test, args.horizon)
    for epoch in run.epochs(args.epochs):
        for rows, change in run.steps(batches(series, args, epoch)):
            optimizer.zero_grad()
            loss = model.loss(rows, change)
            loss.backward()
            if args.watch:
                norms.record()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            run.add(loss=loss.item() / args.updates)
        error = forecasts(model, series, origins) - series.futures(origins, args.horizon)
        model.train()
        run.log(loss=run.totals["loss"], valid_mse=float(np.square(error).mean()))
        if run.since_best() == args.patience:
            run.stop()
    if args.watch:
        norms.draw(args.out / "gradients.png")
    run.draw(args.out / "training.png", {"loss": "loss", "valid_mse": "valid_mse"}, "loss and mean square error")
    model.load_state_dict(tinyrnn.load(args.out / "best.npz"))
    return model


# --- The comparison ---------------------------------------------------------------------------------------------------


def compare(args, series, model):
    """Prints the errors of all forecasts within the test rows, and draws those from one row."""
    origins = series.origins(series.test, series.end, args.horizon)
    truth = series.futures(origins, args.horizon)
    found = {"naive": naive(series, origins, args.horizon),
             "seasonal naive": seasonal_naive(series, origins, args.horizon, args.season),
             "linear": Linear(series, args.window, args.horizon)(series, origins, args.horizon),
             args.unit.upper(): forecasts(model, series, origins)}
    print(f"{len(origins)} forecasts of {args.horizon} steps; 1 is {series.scale:.4g} of {args.column}")
    print(f"{'':16}{'MAE':>8}{'RMSE':>8}")
    for name, forecast in found.items():
        error = forecast - truth
        print(f"{name:16}{np.abs(error).mean():8.4f}{np.sqrt(np.square(error).mean()):8.4f}")
    rows = tinyrnn.tensor(series.rows[:origins[-1] + 1, None])
    streamed = np.concatenate([change.numpy() for change in model.stream(rows)])[origins]
    same = np.array_equal(streamed + series.values[origins, None], found[args.unit.upper()])
    print(f"One row at a time: {'the same bits' if same else 'NOT the same bits'}")
    if args.mixture:
        low, high = interval(model, series, origins[::10])
        inside = (truth[::10] >= low) & (truth[::10] <= high)
        print(f"{100 * inside.mean():.1f} % of the values lie within the 80 % intervals of the mixture")
    draw_forecasts(args, series, found, origins[len(origins) // 2])


@tinyrnn.no_grad()
def interval(model, series, origins, draws=100):
    """The limits between which 80 % of the values should lie, from draws of the mixture: each (len(origins), H)."""
    output, _ = model.rnn(tinyrnn.tensor(series.rows[:origins[-1] + 1, None]))
    mixture = model.out(output[tinyrnn.tensor(origins), 0])
    drawn = np.stack([mixture.sample().numpy() for _ in range(draws)]) + series.values[origins, None]
    return np.quantile(drawn, [0.1, 0.9], axis=0)


def draw_forecasts(args, series, found, origin):
    """The past, the future and all forecasts from one row; ``found`` has a row for each origin of the test rows."""
    past, future = np.arange(1 - min(args.window, 4 * args.horizon), 1), np.arange(1, args.horizon + 1)
    curves = {"past": (past, series.values[origin + past]), "future": (future, series.values[origin + future])}
    curves |= {name: (future, forecast[origin + 1 - series.test]) for name, forecast in found.items()}
    draw_curves(args.out / "forecast.png", curves, "steps from now", args.column, f"from {series.labels[origin]}")


def draw_anomalies(args, series, model):
    """Marks test rows whose error one step ahead is more than Z times the usual one, the median in validation."""
    origins = series.origins(series.valid, series.end, 1)
    error = np.abs(forecasts(model, series, origins)[:, 0] - series.futures(origins, 1)[:, 0])
    valid = series.test - series.valid
    limit = args.anomalies * np.median(error[:valid])
    rows = np.flatnonzero(error[valid:] > limit) + series.test
    picture, (above, below) = figure(2, 1, (10, 6))
    tested = np.arange(series.test, series.end)
    above.plot(tested, series.values[tested], linewidth=0.8)
    above.plot(rows, series.values[rows], "r.", label=f"{len(rows)} anomalies")
    above.legend()
    above.set(ylabel=args.column)
    below.plot(tested, error[valid:], linewidth=0.8)
    below.axhline(limit, color="red", linewidth=0.8)
    below.set(xlabel="row", ylabel="error one step ahead")
    picture.savefig(args.out / "anomalies.png", dpi=120)
    print(f"{len(rows)} of {len(tested)} test rows are anomalies; the largest:")
    for row in sorted(rows, key=lambda row: -error[row - series.valid])[:5]:
        print(f"  {series.labels[row]}  {series.values[row] * series.scale + series.mean:.4g}")


def options(arguments):
    """The command line, checked."""
    parser = argparse.ArgumentParser(description="Forecast a column of a CSV file, and compare with simpler ways.",
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("csv", type=Path, help="a CSV file with a header, plain or gzip")
    parser.add_argument("--column", required=True, help="the column to forecast")
    parser.add_argument("--split", type=positive, nargs=3, help="rows to train, validate and test; else 60, 20, 20 %%")
    parser.add_argument("--out", type=Path, default=Path("runs/forecast"), help="the folder of the run")
    parser.add_argument("--unit", choices=("gru", "lstm"), default="gru", help="the recurrent layer")
    for name, value, text in (("horizon", 24, "steps to forecast"), ("season", 24, "steps of a season"),
                              ("window", 336, "rows in a training window, and before a linear forecast"),
                              ("mixture", 0, "components of a mixture density; 0: plain numbers"),
                              ("size", 64, "units"), ("batch", 16, "windows of an update"),
                              ("updates", 50, "updates of an epoch"), ("epochs", 40, "at most"),
                              ("patience", 8, "epochs without a better validation error before the end"),
                              ("seed", 0, "of everything random"), ("threads", 2, "processor threads")):
        parser.add_argument(f"--{name}", type=count if name == "mixture" else kind(name), default=value, help=text)
    parser.add_argument("--lr", type=nonnegative, default=2e-3, help="Adam's learning rate")
    parser.add_argument("--dropout", type=fraction, default=0.3, help="share of the output left out in training")
    parser.add_argument("--anomalies", type=nonnegative, nargs="?", const=10.0, metavar="Z",
                        help="mark errors one step ahead of more than Z times the usual; 10 if not given")
    parser.add_argument("--resume", action="store_true", help="go on with the training in the folder")
    parser.add_argument("--watch", action="store_true", help="record and draw the norms of the gradients")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = options(arguments)
    series = Series(args)
    model = train(args, series)
    compare(args, series, model)
    if args.anomalies is not None:
        draw_anomalies(args, series, model)


if __name__ == "__main__":
    main()
