"""Models for other tools."""

from tastemap.export.tensorboard import tensorboard

__all__ = ["tensorboard"]
