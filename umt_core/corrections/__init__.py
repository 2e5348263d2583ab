"""Corrected labels: an append-only store of what people did, and what it adds up to. Free of torch."""
