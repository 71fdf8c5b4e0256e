"""The verbs of packages: what each is called, records, refuses, and whom the feed tells."""

from backend.core.verb import Event

EVENTS = (
    Event("packages/export", told_to="nobody"),
    Event("packages/exported", told_to="nobody"),
)
