"""Tools around training: data."""
