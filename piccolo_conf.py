"""For Piccolo's command (`piccolo migrations …`) in this folder; the product itself uses qucheng.piccolo_conf."""

from qucheng.core import servers
from qucheng.piccolo_conf import APP_REGISTRY, DB

DB.config = {"dsn": servers.database_url()}

__all__ = ["APP_REGISTRY", "DB"]
