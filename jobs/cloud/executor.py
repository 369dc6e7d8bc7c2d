"""Performing one step at a cloud provider. What was sent is asked about where the provider can be asked, and is sent
again only if its policy says so.
"""

from __future__ import annotations

import random
import time

from jobs.cloud.provider import Done, ImageRequest, NotThere, Pending, Provider, Unheard
from jobs.cloud.providers import make_providers
from jobs.errors.steps import ExecutionFailed, NotConfigured, OutcomeUnknown
from jobs.media.images import prepare_picture, shrink
from jobs.orders.work import Control, Made, Terms, Work
from jobs.settings import Settings
from jobs.styles.spec import fill_prompt

PHOTO_SIDE = 2048
POLL_SECONDS, POLL_GROWTH, LONGEST_POLL_SECONDS = 1.0, 1.5, 5.0
POLL_JITTER = (0.8, 1.2)
ASK_AGAIN_SECONDS = 2.0
NOT_THERE_TIMES = 2
"""So often a provider says that it knows no such call before that is believed (C3)."""


class CloudExecutor:
    """Performs steps of the resource `api`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._providers = make_providers(settings)

    def perform(self, work: Work, control: Control) -> Made:
        """Buy the step's picture, or get what an earlier attempt bought. Raises StepError or ClaimLost."""
        provider = self._providers.get(work.step["provider"])
        if provider is None or not provider.is_configured():
            raise NotConfigured()
        while True:
            try:
                done = self._buy(provider, work, control)
                break
            except OutcomeUnknown:
                if provider.on_unknown == "hold" or control.count_unknown() > 0:
                    raise
                control.replace_unknown()
        control.report(1.0, "fetching")
        price = self._settings.provider(provider.name).price_of(work.step["model"])
        return Made([prepare_picture(data) for data in done.images], price)

    def _buy(self, provider: Provider, work: Work, control: Control) -> Done:
        call = control.call
        if call.sent_at is None:
            found = self._submit(provider, work, control)
        elif call.remote_id and provider.can_look_up:
            found = Pending(call.remote_id, 0.0)
        elif provider.takes_key:
            found = self._submit(provider, work, control)
        else:
            raise OutcomeUnknown(detail="an earlier attempt did not live to hear the answer")
        return self._follow(provider, work.step["model"], found, control)

    def _submit(self, provider: Provider, work: Work, control: Control) -> Done | Pending:
        control.report(0.0, "sending")
        request = ImageRequest(
            photo=shrink(work.read_source(), PHOTO_SIDE),
            prompt=fill_prompt(work.step["prompt"], work.options),
            model=work.step["model"],
            parameters=work.step["parameters"],
            idempotency_key=control.call.external_id,
            check=control.check,
        )
        if control.call.sent_at is None:
            control.mark_sent(self._terms_of(provider.name, work.step["model"]))
        control.check()
        control.report(0.1, "making")
        return provider.submit(request, control.keep_remote_id, max(control.seconds_left(), 1.0))

    def _terms_of(self, provider: str, model: str) -> Terms:
        settings = self._settings.provider(provider)
        return Terms(settings.price_of(model), settings.budget, settings.per_minute)

    def _follow(self, provider: Provider, model: str, found: Done | Pending, control: Control) -> Done:
        """Ask until it is there. Raises OutcomeUnknown when the provider stays silent or knows nothing of it."""
        gap, silent_since, not_there, asked = POLL_SECONDS, None, 0, 0
        while isinstance(found, Pending):
            remote_id = found.remote_id
            if control.seconds_left() <= 0:
                self._give_up(provider, model, remote_id)
                raise ExecutionFailed("The provider took longer than this style allows.", outcome="stopped")
            wait_s = found.poll_after_s if found.poll_after_s is not None else gap
            control.wait(wait_s * random.uniform(*POLL_JITTER))  # noqa: S311  jitter, not a secret
            control.check()
            asked += 1
            control.report(min(0.1 + 0.05 * asked, 0.9), "making")
            try:
                found = provider.poll(model, remote_id, max(control.seconds_left(), 1.0))
            except Unheard as exc:
                not_there = not_there + 1 if isinstance(exc, NotThere) else 0
                silent_since = silent_since or time.monotonic()
                if not_there >= NOT_THERE_TIMES or time.monotonic() - silent_since > self._settings.silent_s:
                    raise OutcomeUnknown(detail=str(exc)) from exc
                found = Pending(remote_id, exc.retry_after or ASK_AGAIN_SECONDS)
                continue
            gap, silent_since, not_there = min(gap * POLL_GROWTH, LONGEST_POLL_SECONDS), None, 0
        return found

    def _give_up(self, provider: Provider, model: str, remote_id: str) -> None:
        try:
            provider.cancel(model, remote_id, ASK_AGAIN_SECONDS)
        except Unheard:
            return  # it runs on for nobody; the call is closed as stopped all the same
