"""The providers' dialects as the contract suite needs them: one module each, all in DIALECTS."""

from __future__ import annotations

from tests.contract.dialects import fal, openai, replicate
from tests.contract.dialects.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = (openai.DIALECT, replicate.DIALECT, fal.DIALECT)
