"""The pictures that every training draws, with matplotlib."""
import numpy as np

from tinyrnn.utils.extras import optional

__all__ = ["draw_attention", "draw_curves", "figure"]


def figure(rows=1, columns=1, size=(7, 4.5)):
    """A new matplotlib figure of ``size`` inches and its array of axes; it belongs to no window."""
    new = optional("matplotlib.figure").Figure(figsize=size, layout="constrained")
    return new, new.subplots(rows, columns)


def draw_curves(path, curves, xlabel, ylabel, title=None, log_x=False, log_y=False):
    """Saves a picture of lines: ``curves`` is {label: (xs, ys)}."""
    picture, axes = figure()
    for label, (xs, ys) in curves.items():
        axes.plot(xs, ys, marker="." if len(xs) < 50 else None, label=label)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title or "")
    if log_x:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    axes.legend()
    axes.grid(alpha=0.3)
    picture.savefig(path, dpi=120)


def draw_attention(path, examples):
    """Saves a picture of where a model looked: ``examples`` is a list of (what is read, what is written, weights).

    The first two are S and T tokens, or strings of as many characters; the weights are (T, S).
    """
    if not examples:
        raise ValueError("draw_attention: there are no examples")
    picture, axes = figure(1, len(examples), (1 + 4 * len(examples), 5))
    for axis, (read, written, weights) in zip(np.atleast_1d(axes), examples, strict=True):
        axis.imshow(weights.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axis.set_xticks(range(len(written)), list(written), rotation=90)
        axis.set_yticks(range(len(read)), list(read))
    picture.suptitle("Where the model looks (down: what is read, across: what is written)")
    picture.savefig(path, dpi=120)
