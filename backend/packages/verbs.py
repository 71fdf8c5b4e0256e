"""The journal events of packages. Taking a package is no entry, so there are no verbs."""

from backend.core.verb import Event

EVENTS = (
    Event("packages/export", told_to="nobody"),
    Event("packages/exported", told_to="nobody"),
)
