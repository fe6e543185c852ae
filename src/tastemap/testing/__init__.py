"""What every model promises, as checks that a model of your own can be put to; they need no test runner."""

from __future__ import annotations

from tastemap.testing.contract import MODEL_CHECKS as MODEL_CHECKS
from tastemap.testing.contract import check_model as check_model
