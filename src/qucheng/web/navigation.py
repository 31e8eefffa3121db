"""What stands at the side of every page: the pages of a role, in the order of its work, and never one it may not see."""

from __future__ import annotations

import msgspec

from qucheng.web.texts import n_


class Entry(msgspec.Struct, frozen=True):
    """permission: what one needs to see the page. heading: the entry begins a group. tab: its short name on a phone's lower edge."""

    address: str
    drawing: str
    label: str
    permission: str
    heading: str | None = None
    tab: str | None = None


ENTRIES = (
    Entry("/portal", "house", n_("Home"), "own.home.read", tab=n_("Home")),
    Entry("/portal/orders", "receipt", n_("Orders"), "own.orders.read", tab=n_("Orders")),
    Entry("/portal/products", "tags", n_("Products and prices"), "own.products.read"),
    Entry("/portal/sell", "store", n_("Sell"), "own.sales.create", tab=n_("Sell")),
    Entry("/portal/links", "link", n_("Links and codes"), "own.links.read"),
    Entry("/portal/pools", "layers", n_("My pools"), "own.pools.read"),
    Entry("/portal/statements", "file-text", n_("Statements"), "own.statements.read", n_("Money"), n_("Statements")),
    Entry("/portal/team", "users", n_("Team"), "own.team.read", n_("Account")),
    Entry("/portal/compliance", "scale", n_("Compliance"), "own.compliance.read"),
    Entry("/portal/profile", "shield-check", n_("Profile and compliance"), "own.profile.read", tab=n_("Me")),
    Entry("/redeem", "scan-line", n_("Redeem"), "redemptions.make", tab=n_("Redeem")),
    Entry("/redeem/today", "list-checks", n_("Today's records"), "redemptions.make", tab=n_("Today")),
    Entry("/overview", "house", n_("Overview"), "insight.read"),
    Entry("/analytics", "trending-up", n_("Analytics"), "insight.read"),
    Entry("/runs", "list-checks", n_("Settlement runs"), "runs.read"),
    Entry("/statements", "file-text", n_("Statements"), "statements.read"),
    Entry("/approvals", "badge-check", n_("Approvals"), "approvals.read"),
    Entry("/exceptions", "triangle-alert", n_("Exceptions"), "exceptions.read"),
    Entry("/adjustments", "plus", n_("Adjustments"), "adjustments.read"),
    Entry("/uploads", "upload", n_("Deliveries"), "imports.read"),
    Entry("/journal", "book-open", n_("Journal"), "journal.read", n_("Books")),
    Entry("/trial-balance", "scale", n_("Trial balance"), "journal.read"),
    Entry("/exports", "download", n_("Exports"), "exports.read"),
    Entry("/prices", "layers", n_("Channel prices"), "prices.read", n_("Selling")),
    Entry("/products", "package", n_("Products"), "catalog.read"),
    Entry("/channels", "store", n_("Channels and tiers"), "catalog.read"),
    Entry("/orders", "receipt", n_("Orders"), "orders.read"),
    Entry("/pools", "layers", n_("Coupon pools"), "stock.read", n_("Stock")),
    Entry("/batches", "package", n_("Batches"), "stock.read"),
    Entry("/trace", "search", n_("Trace a code"), "stock.read"),
    Entry("/stock-cases", "triangle-alert", n_("Paid without stock"), "orders.resolve"),
    Entry("/offers", "gift", n_("Offers"), "offers.read", n_("Claiming and redeeming")),
    Entry("/stores", "store", n_("Stores"), "stores.read"),
    Entry("/redemptions", "ticket", n_("Redemptions"), "redemptions.read"),
    Entry("/plans", "percent", n_("Commission plans"), "plans.read"),
    Entry("/resellers", "users", n_("Resellers"), "network.read", n_("Network")),
    Entry("/applications", "signature", n_("Applications"), "network.change"),
    Entry("/compliance", "scale", n_("Compliance"), "compliance.read"),
    Entry("/risks", "triangle-alert", n_("Risk queue"), "risks.read"),
    Entry("/texts", "pencil", n_("Texts to resellers"), "texts.change"),
    Entry("/brands", "building-2", n_("Brands"), "brands.read"),
    Entry("/operators", "users", n_("Platform operators"), "operators.read"),
    Entry("/notifications", "bell", n_("Notifications"), "notifications.read"),
    Entry("/people", "users", n_("People"), "roles.read", n_("Settings")),
    Entry("/selling", "store", n_("How resellers sell"), "brand.change"),
    Entry("/keys", "key-round", n_("API keys"), "keys.manage"),
    Entry("/webhooks", "webhook", n_("Webhooks"), "webhooks.manage"),
    Entry("/audit", "history", n_("Audit log"), "audit.read"),
    Entry("/platform/audit", "history", n_("Audit log"), "platform.audit.read"),
)


def entries(allowed: frozenset[str], served: frozenset[str]) -> list[Entry]:
    """Those that these permissions let in, of the pages that are served."""
    return [entry for entry in ENTRIES if entry.permission in allowed and entry.address in served]
