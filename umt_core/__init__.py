"""Named entities in a tweet and its image: read, tag, compare, explain, train.

Importing this package is cheap and leaves torch out; modules that need torch
import it when they are imported themselves (``umt_core.predict``, say).
"""

__version__ = "0.1.0"
