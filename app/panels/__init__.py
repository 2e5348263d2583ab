"""Pieces of pages. A component's browser side lies beside it as ``.js`` and ``.css``."""
