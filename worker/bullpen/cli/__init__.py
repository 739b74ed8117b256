"""The `bullpen` command."""

from bullpen.cli.command import main

__all__ = ["main"]
