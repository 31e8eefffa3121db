"""The one Piccolo app: the tables of all rooms, and their migrations."""

from __future__ import annotations

from pathlib import Path

from piccolo.conf.apps import AppConfig, table_finder

ROOMS_WITH_TABLES = (
    "core",
    "identity",
    "ledger",
    "network",
    "catalog",
    "stock",
    "risk",
    "orders",
    "redemption",
    "campaigns",
    "commission",
    "settlement",
    "bundle",
    "insight",
)

APP_CONFIG = AppConfig(
    app_name="qucheng",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    # the migrations are written in SQL: what Piccolo's comparison cannot express (policies, triggers, composite keys) is most of it
    table_classes=table_finder(
        [f"qucheng.{room}.tables" for room in ROOMS_WITH_TABLES], exclude_tags=["raw"], exclude_imported=True
    ),
)
