"""What predictions are worth, and where they differ."""
