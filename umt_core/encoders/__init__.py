"""Text and vision backbones: where their weights come from, and one way to call each kind.

``catalog`` and ``files`` are free of torch; ``text``, ``vision`` and ``features`` load it.
"""
