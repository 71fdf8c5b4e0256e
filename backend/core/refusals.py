"""Every "no" of the house: a stable code whose status, article and sentence stand in law/messages.toml.

Guarantees: a refusal never carries a row's value; `unmet` names each rule that was not met, so that its reader can
act on all of them at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from backend.law.catalogue import Language, law


class Refusal(Exception):
    """What the server will not do. `code` is in messages.toml; `extra` goes into the problem as it is."""

    def __init__(
        self, code: str, *, unmet: Sequence[str] = (), retry_after: int | None = None, extra: Mapping[str, Any] = {}
    ) -> None:
        super().__init__(code)
        self.code, self.unmet, self.retry_after, self.extra = code, tuple(unmet), retry_after, dict(extra)

    @property
    def status(self) -> int:
        return law().messages[self.code].status or 500


class Unknown(Refusal):
    """What an entry refers to is not there, or not for this person: the same answer. By sync it is awaited."""

    def __init__(self, code: str, reference: UUID) -> None:
        super().__init__(code)
        self.reference = reference


class DependsOnRevokedDevice(Refusal):
    """An entry that hangs on the word of a device that was revoked. By sync it is held for a person to decide."""


class RuleRefusal(Refusal):
    """A live entry that the rules forbid: given once, remembered for its id, and open to `despite`."""

    def __init__(self, unmet: Sequence[str]) -> None:
        super().__init__(unmet[0], unmet=unmet)


def problem(refusal: Refusal, language: Language, instance: str) -> dict[str, Any]:
    """The refusal as RFC 9457 asks, in one language."""
    message = law().messages[refusal.code]
    told: dict[str, Any] = {
        "type": f"/problems/{refusal.code}",
        "title": message.title(language),
        "status": refusal.status,
        "detail": message.sentence(language),
        "code": refusal.code,
        "instance": instance,
    }
    if message.article:
        told["article"] = message.article
    if refusal.unmet:
        told["unmet"] = notes(refusal.unmet, language)
    return told | refusal.extra


def notes(codes: Sequence[str], language: Language) -> list[dict[str, str]]:
    """Codes of rules or findings with their article and sentence."""
    told = []
    for code in codes:
        message = law().messages[code]
        article = {"article": message.article} if message.article else {}
        told.append({"code": code, **article, "message": message.sentence(language)})
    return told
