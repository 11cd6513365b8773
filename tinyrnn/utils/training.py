"""A training run on disk: what it was asked for, how it went, and everything needed to go on with it bit for bit.

    run = Run("runs/m30k", {"model": model, "optimizer": optimizer}, {"lr": 1e-3}, args.resume, best="valid_ppl")
    for epoch in run.epochs(8):
        for batch in run.steps(batches(epoch)):             # a progress bar; Ctrl-C saves and ends the program
            ...                                             # one update
            run.add(loss=loss.item() * tokens, tokens=tokens)
        run.log(train_ppl=math.exp(run.totals["loss"] / run.totals["tokens"]), valid_ppl=...)
        if run.since_best() == 3:
            run.stop()

The folder holds ``config.json``, ``log.jsonl`` (one line an epoch), ``last.npz``, the checkpoint, and ``best.npz``, the
model of the best epoch.
"""
import contextlib
import json
import math
import os
import signal
import threading
import time
from itertools import islice
from pathlib import Path

from tinyrnn.autograd.generator import get_rng_state, set_rng_state
from tinyrnn.io.atomic import remove_unfinished, replacing
from tinyrnn.io.checkpoint import load, save
from tinyrnn.utils.extras import optional
from tinyrnn.utils.plots import draw_curves

try:
    import fcntl
except ImportError:
    fcntl = None

__all__ = ["Run", "StopRequested", "options_of"]

FREE = {"resume", "threads", "epochs", "watch"}     # options that may change when a training goes on


class StopRequested:
    """True once Ctrl-C was pressed, so that a loop can end between two steps. A second Ctrl-C is not held, and none
    outside of the main thread, where Python allows no handlers."""

    def __enter__(self):
        self.value, self.before = False, None
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self.request)
        return self

    def request(self, *_):
        self.value = True
        signal.signal(signal.SIGINT, self.before)

    def __exit__(self, *_):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def __bool__(self):
        return self.value


@contextlib.contextmanager
def alone(folder):
    """No second block like this is in the folder at the same time, in this program or another: that one ends with
    SystemExit. Windows and some file systems have no such locks."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{folder} belongs to a training that is under way; choose another folder") from None
        except OSError:
            pass
        yield
    finally:
        with contextlib.suppress(OSError):              # by hand: a child process may have the descriptor too
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


class Run:
    """A training run in ``folder``.

    parts     {name: object with state_dict() and load_state_dict()}: the model, the optimizer, a schedule
    config    the options of the run: numbers, strings, paths, bools, None and lists of them. When a run is resumed
              they must be what they were, but for ``epochs``, ``threads`` and ``watch``.
    resume    goes on from the folder's checkpoint; without it a folder that has one is refused
    best      the name of the logged figure that is smallest in the best epoch, whose ``parts["model"]`` is kept
    progress  whether to show a bar (with tqdm) and to print the figures of each epoch

    ``history`` is a list of what was logged, a dict an epoch; ``totals`` holds the sums of the epoch under way;
    ``updates`` counts the steps of all epochs. A batch order and everything else that is drawn outside of ``steps``
    must depend on the epoch alone; what is drawn inside, from the default generator, goes on where it stopped.
    """

    def __init__(self, folder, parts, config=None, resume=False, best=None, progress=True):
        self.folder, self.parts, self.best, self.progress = Path(folder).absolute(), parts, best, progress
        self.config = json.loads(json.dumps(config or {}, default=str))
        self.history, self.totals = [], {}
        self.done = self.updates = 0                # steps of this epoch, steps of all
        self.stopped = False
        if resume and not self.checkpoint.exists():
            raise SystemExit(f"{self.checkpoint} is not there: nothing to go on from")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SystemExit(f"{self.folder} cannot be made: {error.strerror}") from None
        with alone(self.folder):
            self.enter(resume)
        self.started = time.perf_counter()

    @property
    def checkpoint(self):
        return self.folder / "last.npz"

    def enter(self, resume):
        """Takes over what the folder holds, and leaves the options there."""
        if resume:
            self.check_config(read_config(self.folder))
            self.load(self.checkpoint)
        elif self.checkpoint.exists():
            raise SystemExit(f"{self.checkpoint} is there already: go on with --resume, or choose another folder")
        remove_unfinished(self.folder)
        self.write("config.json", json.dumps(self.config, indent=2) + "\n")
        self.left = self.trace()

    def trace(self):
        """What tells whether another training has been in the folder: the files that this one left there."""
        files = [path.stat() for path in (self.folder / "config.json", self.checkpoint) if path.exists()]
        return [(file.st_ino, file.st_mtime_ns) for file in files]

    def check_config(self, before):
        names = (before.keys() | self.config.keys()) - FREE
        changed = [f"{name}: {before.get(name)!r} before, now {self.config.get(name)!r}" for name in sorted(names)
                   if repr(before.get(name)) != repr(self.config.get(name))]           # a NaN is not equal to itself
        if changed:
            raise SystemExit(f"{self.folder} was trained with other options: {'; '.join(changed)}")

    # ---- the loop ----

    def epochs(self, n):
        """The numbers, from 1, of the epochs that are still to be done; ends early after ``stop()``.

        Ctrl-C ends the program before the next step, after saving.
        """
        self.last_epoch = n
        with alone(self.folder), StopRequested() as self.interrupted:
            if self.trace() != self.left:
                raise SystemExit(f"{self.folder}: another training has been there since this one was set up")
            while len(self.history) < n and not self.stopped:
                epoch = len(self.history) + 1
                yield epoch
                if len(self.history) < epoch:
                    raise RuntimeError("Run: every epoch must end with log()")
            if self.interrupted:
                self.leave()

    def leave(self):
        """Saves and ends the program."""
        self.save()
        raise SystemExit(f"Stopped after {self.updates} updates and saved; the same command with --resume goes on")

    def steps(self, batches):
        """The batches of an epoch that are still to be done, each with its update, behind a progress bar."""
        total = len(batches) if hasattr(batches, "__len__") else None
        self.started = time.perf_counter()
        with self.bar(total) as self.shown:
            for batch in islice(batches, self.done, None):
                if self.interrupted:
                    self.leave()
                yield batch
                self.done += 1
                self.updates += 1
                self.shown.update()

    def bar(self, total):
        """tqdm's progress bar; it shows nothing without ``progress``."""
        return optional("tqdm").tqdm(total=total, initial=self.done, unit="step", leave=False,
                                     desc=f"epoch {len(self.history) + 1}", disable=not self.progress)

    def show(self, **figures):
        """Shows figures behind the progress bar."""
        self.shown.set_postfix(figures, refresh=False)

    def add(self, **numbers):
        """Adds numbers to the totals of the epoch."""
        for name, number in numbers.items():
            self.totals[name] = self.totals.get(name, 0) + number

    def seconds(self):
        """How long this epoch has taken, interruptions left out."""
        return self.totals.get("seconds", 0.0) + time.perf_counter() - self.started

    def log(self, **figures):
        """Ends an epoch: notes its figures and the seconds it took, and saves."""
        figures = {name: value.item() if hasattr(value, "item") else value for name, value in figures.items()}
        line = {"epoch": len(self.history) + 1, "updates": self.updates, **figures, "seconds": self.seconds()}
        json.dumps(line)                                # raises before anything has changed
        if self.best and self.best not in line:
            raise KeyError(f"Run: the figure {self.best!r} that tells the best epoch was not logged")
        self.history.append(line)
        self.totals, self.done = {}, 0
        self.started = time.perf_counter()
        self.write("log.jsonl", "".join(json.dumps(rounded(line)) + "\n" for line in self.history))
        if self.best and self.since_best() == 0 and not math.isnan(line[self.best]):
            save(self.parts["model"].state_dict(), self.folder / "best.npz")
        self.save()
        if self.progress:
            print(f"{describe(line)}{self.remaining()}", flush=True)

    def remaining(self):
        left = (self.last_epoch - len(self.history)) * self.history[-1]["seconds"]
        return f"; about {math.ceil(left / 60)} min to go" if left > 60 else ""

    def stop(self):
        """No further epoch, not even when resumed."""
        self.stopped = True
        self.save()

    def draw(self, path, figures, ylabel, **options):
        """Saves a picture of logged figures over the epochs: ``figures`` is {label: name}; see ``draw_curves``."""
        epochs = [line["epoch"] for line in self.history]
        curves = {label: (epochs, [line[figure] for line in self.history]) for label, figure in figures.items()}
        draw_curves(path, curves, "epoch", ylabel, **options)

    def since_best(self):
        """How many epochs ago the best one was, the first of equals; an epoch with NaN is never best."""
        figures = [math.inf if math.isnan(line[self.best]) else line[self.best] for line in self.history]
        return len(figures) - 1 - figures.index(min(figures))

    # ---- the checkpoint ----

    def save(self):
        """Writes ``last.npz``: every part, the state of the default generator and the place in the epoch."""
        self.totals["seconds"] = self.seconds()
        self.started = time.perf_counter()
        numbers = {"history": self.history, "totals": self.totals, "done": self.done, "updates": self.updates,
                   "stopped": self.stopped, "random": get_rng_state()}
        states = {name: part.state_dict() for name, part in self.parts.items()}
        save({"run": numbers, **states}, self.checkpoint)
        self.left = self.trace()

    def load(self, path):
        saved = load(path)
        if missing := self.parts.keys() - saved.keys():
            raise SystemExit(f"{path} holds no {', '.join(sorted(missing))}")
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])
        for name, value in saved["run"].items():
            if name == "random":
                set_rng_state(value)
            else:
                setattr(self, name, value)

    def write(self, name, text):
        with replacing(self.folder / name) as file:
            file.write(text.encode())


def read_config(folder):
    """The options that a run left in its folder; ends the program where there are none."""
    if not (folder / "config.json").exists():
        raise SystemExit(f"{folder} holds no config.json: nobody knows with which options it was trained")
    return json.loads((folder / "config.json").read_text())


def options_of(folder, *names, checkpoint="best.npz"):
    """The options with which the model in ``folder`` was trained, these names among them; ends the program where there
    is no such model, or that of another program."""
    if not (folder / checkpoint).exists():
        raise SystemExit(f"{folder / checkpoint} is not there: train first")
    config = read_config(folder)
    missing = [name for name in names if name not in config]
    if missing:
        raise SystemExit(f"{folder} is the run of another program: it has no {', '.join(missing)}")
    return config


def rounded(line):
    """Figures with six digits, so that a person can read them."""
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in line.items()}


def describe(line):
    """``epoch 3  train_ppl 4.21  seconds 12.3``"""
    return "  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in line.items())
