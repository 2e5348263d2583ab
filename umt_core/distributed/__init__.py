"""Predictions of more tweets than memory holds, in chunks that one process or many machines work off."""
