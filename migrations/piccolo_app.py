"""The one Piccolo app, with all tables of all features."""

from pathlib import Path

from piccolo.conf.apps import AppConfig, table_finder

APP_CONFIG = AppConfig(
    app_name="fujing",
    migrations_folder_path=str(Path(__file__).parent / "versions"),
    table_classes=table_finder(
        modules=[
            "backend.people.tables",
            "backend.shifts.tables",
            "backend.supervision.tables",
            "backend.items.tables",
            "backend.evidence.tables",
            "backend.evidence.starts.tables",
            "backend.activities.tables",
            "backend.complaints.tables",
            "backend.hours.tables",
            "backend.injuries.tables",
            "backend.recusals.tables",
            "backend.assistance.tables",
            "backend.rosters.tables",
            "backend.held.tables",
            "backend.reviews.tables",
        ]
    ),
)
