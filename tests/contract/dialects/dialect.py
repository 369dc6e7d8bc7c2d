"""What the contract suite must know of a dialect to put its provider through the cases that all share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.cloud.provider import Done, ImageRequest, Provider
from jobs.errors.steps import StepError
from jobs.settings.providers import ProviderSettings
from scripts.simulators.inprocess import InProcess
from tests.contract.fakes import PHOTO, until

KEY = "sk-of-the-test"


@dataclass(frozen=True)
class Said:
    """An answer that the stand-in is told to give. Its texts hold the word "guest", which must not be passed on."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialect:
    """One provider and its stand-in. Paths are as the stand-in's faults understand them: the beginning of a path."""

    name: str
    make: Callable[[str, ProviderSettings], Provider]
    stand_in: Callable[[], InProcess[Any]]
    """Not started; its `base_url` is what the provider's setting is set to."""
    model: str
    parameters: Mapping[str, Any]
    submit_path: str
    key: tuple[str, str]
    """The header that carries the key, in small letters, and its value for the key KEY."""
    rate: Said
    quota: Said
    refused: Said
    others: tuple[tuple[Said, type[StepError]], ...]
    """More answers to a submission, and what each means."""
    poll_path: str | None = None
    """Where a call is asked about; None when it cannot be."""
    result_path: str | None = None
    """Where the stand-in serves results that an answer only names; None when pictures come in the answer."""
    ended: tuple[tuple[Said, type[StepError]], ...] = ()
    """Answers to a poll that tell of an end without a picture, and what each means."""
    ended_skip: int = 0
    """So many requests of a poll come before the one that tells of the end."""

    def provider(self, base_url: str, **settings: Any) -> Provider:
        """The provider, set to this address."""
        given = {"api_key": KEY, "base_url": base_url, "silence_s": 10.0} | settings
        return self.make(self.name, ProviderSettings(**{"_env_file": None, "_env_prefix": "nobody_"} | given))

    def request(self, prompt: str = "a poster") -> ImageRequest:
        return ImageRequest(PHOTO, prompt, self.model, dict(self.parameters), "key-1")

    def buy(self, provider: Provider, keep: Callable[[str], None] = lambda remote_id: None) -> Done:
        """Submit, and ask until it is done."""
        found = provider.submit(self.request(), keep, 10.0)
        return found if isinstance(found, Done) else self.wait_for(provider, found.remote_id)

    def wait_for(self, provider: Provider, remote_id: str) -> Done:
        """Ask about a call until it is done."""

        def ask() -> Done | None:
            polled = provider.poll(self.model, remote_id, 10.0)
            return polled if isinstance(polled, Done) else None

        done: Done = until(ask)
        return done
