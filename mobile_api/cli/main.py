"""The command `fujing`: importing a module of `commands` registers its commands."""

from mobile_api.cli.commands import calendars, devices, evidence, law, people, reporting, running, server, station
from mobile_api.cli.terminal import fujing

__all__ = [
    "calendars", "devices", "evidence", "fujing", "law", "main", "people", "reporting", "running", "server", "station",
]  # fmt: skip

main = fujing
