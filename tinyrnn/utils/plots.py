"""The pictures that every training draws, with matplotlib."""
from tinyrnn.utils.extras import optional

__all__ = ["draw_curves", "figure"]


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
