"""Piccolo's configuration: its own commands find the engine and the app here."""

from piccolo.conf.apps import AppRegistry

from backend.core.database import DB

APP_REGISTRY = AppRegistry(apps=["migrations.piccolo_app"])
__all__ = ["APP_REGISTRY", "DB"]
