"""Settings for every test."""

import hypothesis

# No deadline: a busy machine is not a bug. Derandomised: the same examples every time, so a red run stays red.
hypothesis.settings.register_profile("tinyrnn", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("tinyrnn")
