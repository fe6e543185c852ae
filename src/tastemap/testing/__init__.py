"""What every model promises, as checks that a model of your own can be put to; they need no test runner."""

from __future__ import annotations

from tastemap.testing.contract import MODEL_CHECKS, check_model

__all__ = ["MODEL_CHECKS", "check_model"]
