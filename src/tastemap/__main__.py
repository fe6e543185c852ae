"""``python -m tastemap``."""

from tastemap.cli import main

main()
