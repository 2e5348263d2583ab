"""Named entities in a tweet and its image: read, tag, compare, explain, train.

Importing this package is cheap and leaves torch out; modules that need torch
import it when they are imported themselves (``umt_core.predict``, say).
"""

import os

# Read when torch loads, so set before: idle OpenMP threads that spin steal the cores from a
# neighbour, and a forward beside one took 8 times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
