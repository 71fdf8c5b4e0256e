"""The journal rows of people that come from no entry, and who gets them in the feed."""

from backend.core.verb import Event

EVENTS = (
    Event("devices/code", told_to="nobody"),
    Event("devices/enrol", told_to="nobody"),
    Event("devices/revoke", told_to="nobody"),
    Event("devices/reinstate", told_to="nobody"),
    Event("me/totp", told_to="nobody"),
    Event("me/totp-confirm", told_to="nobody"),
    Event("people/totp-reset", told_to="concerned"),
    Event("sessions/open", told_to="actor"),
    Event("sessions/close", told_to="actor"),
    Event("sessions/factor", told_to="actor"),
    Event("sessions/reused", told_to="actor"),
    Event("sessions/password", told_to="actor"),
)
