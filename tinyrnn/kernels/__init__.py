"""How fast: loops over raw pointers, without Python objects, in float and double."""
