"""Commands by topic, each a Typer app that ``__main__`` adds. torch is imported inside commands."""
