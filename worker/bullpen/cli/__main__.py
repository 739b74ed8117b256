"""`python -m bullpen.cli` is `bullpen`."""

from bullpen.cli import main

main()
