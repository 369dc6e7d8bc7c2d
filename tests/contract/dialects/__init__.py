"""The providers' dialects as the contract suite needs them: one module each, all in DIALECTS."""

from __future__ import annotations

from tests.contract.dialects import dashscope, openai
from tests.contract.dialects.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = (openai.DIALECT, dashscope.DIALECT)
