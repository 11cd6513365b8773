"""What registering a hook returns."""


class RemovableHandle:
    """Takes its hook away with ``remove()``, or at the end of a ``with`` block."""

    def __init__(self, hooks, hook):
        self.hooks, self.key = hooks, object()      # the handle may be dropped while its hook stays, so it is no key
        hooks[self.key] = hook

    def remove(self):
        self.hooks.pop(self.key, None)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()
