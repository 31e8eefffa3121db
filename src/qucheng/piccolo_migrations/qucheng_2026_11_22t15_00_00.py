"""Live orders and stock: policy values by date, outbox and webhooks, pools and cards, secrets, sales and payments, fulfilments, redemptions, claims."""

from pathlib import Path

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "2026-11-22T15:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Live orders and stock"
FILES = sorted(
    file for number in range(32, 51) for file in (Path(__file__).parent / "sql").glob(f"{number:04}_*.sql")
)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="qucheng", description=DESCRIPTION)

    async def run() -> None:
        connection = engine_finder().current_transaction.get().connection
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        for file in FILES:
            await connection.execute(file.read_text(encoding="utf-8"))

    manager.add_raw(run)
    return manager
