"""What is built: the interpreter, and all that scripts can import of the standard library, which has no files at run time."""

import gc

from interpreter import WitWorld

import library

__all__ = ["WitWorld"]

library.load()
# A collection would otherwise touch, and so copy, all that was made here.
gc.collect()
gc.freeze()
