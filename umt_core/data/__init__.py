"""Tweets and pictures from files, and back into them; torch-free."""
