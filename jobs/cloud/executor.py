"""Performing one step at a cloud provider. A call that was sent is sent again only if the provider's policy says so.

A synchronous provider cannot be asked about a call later: a call of an earlier attempt that was sent and not closed has
an unknown outcome, and so has one whose answer did not arrive.
"""

from __future__ import annotations

from jobs.cloud.provider import ImageRequest
from jobs.cloud.providers import PROVIDERS
from jobs.errors.steps import BadInput, OutcomeUnknown
from jobs.media.images import prepare_picture, shrink
from jobs.orders.work import Control, Made, Work
from jobs.settings import Settings
from jobs.styles.spec import fill_prompt

PHOTO_SIDE = 2048


class CloudExecutor:
    """Performs steps of the resource `api`."""

    def __init__(self, settings: Settings) -> None:
        self._providers = {name: make(settings) for name, make in PROVIDERS.items()}

    def perform(self, work: Work, control: Control) -> Made:
        """Buy the step's picture. Raises StepError or ClaimLost."""
        provider = self._providers.get(work.step["provider"])
        if provider is None or not provider.is_configured():
            raise BadInput("The provider of this style is not configured.", outcome="unsent")
        if control.call.sent_at is not None:
            self._settle_unknown(provider.on_unknown, control)
        control.report(0.0, "sending")
        request = ImageRequest(
            photo=shrink(work.read_source(), PHOTO_SIDE),
            prompt=fill_prompt(work.step["prompt"], work.options),
            model=work.step["model"],
            parameters=work.step["parameters"],
            idempotency_key=control.call.external_id,
        )
        control.mark_sent()
        control.check()
        control.report(0.1, "making")
        try:
            bought = provider.generate(request, control.keep_remote_id, max(control.seconds_left(), 1.0))
        except OutcomeUnknown:
            if provider.on_unknown == "hold" or control.call.call_no > 1:
                raise
            control.replace_lost()
            return self.perform(work, control)
        control.report(1.0, "fetching")
        return Made([prepare_picture(data) for data in bought.images])

    def _settle_unknown(self, policy: str, control: Control) -> None:
        """An earlier attempt sent this call and did not live to hear the answer."""
        if policy == "hold" or control.call.call_no > 1:
            raise OutcomeUnknown()
        control.replace_lost()
