"""The same computation in every library.

A function here is called with its imported library and a case; it returns `step`, a function without arguments that is
timed, and `read`, which turns what `step` returned into {name: array}, to be compared between libraries.
"""
