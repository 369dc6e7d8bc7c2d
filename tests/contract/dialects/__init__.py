"""The providers' dialects as the contract suite needs them: one module each, all in DIALECTS."""

from __future__ import annotations

from tests.contract.dialects import ark, dashscope, fal, gemini, openai, replicate, siliconflow
from tests.contract.dialects.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = (
    openai.DIALECT,
    ark.DIALECT,
    siliconflow.DIALECT,
    gemini.DIALECT,
    dashscope.DIALECT,
    replicate.DIALECT,
    fal.DIALECT,
)
