"""Fuzzing of everything that reads what a user sends: ``python -m fuzz``, or ``make fuzz``."""
