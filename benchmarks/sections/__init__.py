"""One file for each part of RESULTS.md.

Each has a TITLE, the PACKAGES it needs beside tinyrnn (SKIPPABLE are left out of the tables when they are missing), and
`run(bench)`, which yields the lines of its tables as they are measured.
"""
