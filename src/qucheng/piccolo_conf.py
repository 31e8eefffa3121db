"""What Piccolo's own machinery asks for: the engine and the app. Importable from any folder, and connects to nothing."""

from __future__ import annotations

from piccolo.conf.apps import AppRegistry

from qucheng.core import db

DB = db.ENGINE
APP_REGISTRY = AppRegistry(apps=["qucheng.piccolo_app"])
