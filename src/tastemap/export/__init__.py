"""Writes models for other tools, and comparisons for other people."""

from tastemap.export.report import report
from tastemap.export.tensorboard import tensorboard

__all__ = ["report", "tensorboard"]
