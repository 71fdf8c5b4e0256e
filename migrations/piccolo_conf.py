"""Where Piccolo's own commands find the engine and the one app."""

from piccolo.conf.apps import AppRegistry

from backend.core.database import DB

APP_REGISTRY = AppRegistry(apps=["migrations.piccolo_app"])
__all__ = ["APP_REGISTRY", "DB"]
