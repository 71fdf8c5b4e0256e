"""Refusals: a stable code, whose status, article and sentence are in law/messages.toml.

Guarantees: a refusal never contains a value of a database row. `unmet` lists every rule that is not met, so that the
reader can fix all of them at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from backend.law.catalogue import Language, law


class Refusal(Exception):
    """The server refuses the request. `code` is in messages.toml; `extra` goes into the problem document as it is."""

    def __init__(
        self, code: str, *, unmet: Sequence[str] = (), retry_after: int | None = None, extra: Mapping[str, Any] = {}
    ) -> None:
        super().__init__(code)
        self.code, self.unmet, self.retry_after, self.extra = code, tuple(unmet), retry_after, dict(extra)

    @property
    def status(self) -> int:
        return law().messages[self.code].status or 500

    @property
    def passes(self) -> bool:
        """Whether time alone may change it: then sync answers `again`, never `refused`."""
        return law().messages[self.code].retry_after is not None

    @property
    def wait_seconds(self) -> int | None:
        """After how many seconds the same may be sent again; None where waiting changes nothing."""
        return self.retry_after if self.retry_after is not None else law().messages[self.code].retry_after


class Unknown(Refusal):
    """The entry refers to something that does not exist or that this person may not see; the answer is the same.

    By sync the entry is held until the reference arrives.
    """

    def __init__(self, code: str, reference: UUID) -> None:
        super().__init__(code)
        self.reference = reference


class DependsOnRevokedDevice(Refusal):
    """The entry rests on the signature of a revoked device. By sync it is held until a person decides."""


class RuleRefusal(Refusal):
    """The rules forbid this live entry. The refusal is kept for the entry's id; `despite` overrides it."""

    def __init__(self, unmet: Sequence[str]) -> None:
        super().__init__(unmet[0], unmet=unmet)


def problem(refusal: Refusal, language: Language, instance: str) -> dict[str, Any]:
    """The problem document (RFC 9457) of a refusal, in one language."""
    message = law().messages[refusal.code]
    document: dict[str, Any] = {
        "type": f"/problems/{refusal.code}",
        "title": message.title(language),
        "status": refusal.status,
        "detail": message.sentence(language),
        "code": refusal.code,
        "instance": instance,
    }
    if message.article:
        document["article"] = message.article
    if refusal.unmet:
        document["unmet"] = notes(refusal.unmet, language)
    return document | refusal.extra


def notes(codes: Sequence[str], language: Language) -> list[dict[str, str]]:
    """A note for each code: code, article and sentence."""
    result = []
    for code in codes:
        message = law().messages[code]
        article = {"article": message.article} if message.article else {}
        result.append({"code": code, **article, "message": message.sentence(language)})
    return result
