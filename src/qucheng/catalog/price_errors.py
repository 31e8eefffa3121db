"""What the price book and quotes refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from qucheng.core import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qucheng.catalog.price_records import Judged


class PriceVersionUnknownError(errors.RefusedError):
    code: ClassVar[str] = "price.version_unknown"
    status: ClassVar[int] = 404


class PriceDraftExistsError(errors.RefusedError):
    """One draft at a time, and a submitted one is decided first. number: of the one that there is."""

    code: ClassVar[str] = "price.draft_exists"

    def __init__(self, number: int) -> None:
        super().__init__(f"Version {number} is being worked on or waits to be decided: there is one draft at a time.")
        self.number = number


class PriceStateError(errors.RefusedError):
    """The version is not in the state in which this is done."""

    code: ClassVar[str] = "price.state"


class PriceNoChangesError(errors.RefusedError):
    code: ClassVar[str] = "price.no_changes"
    status: ClassVar[int] = 422


class PriceFaultsError(errors.RefusedError):
    """count: of the prices below the floor, floors below the cost and prices where nothing is sold."""

    code: ClassVar[str] = "price.faults"
    status: ClassVar[int] = 422

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} of its prices are below the floor, its floors below the cost, or its prices where nothing is sold."
        )
        self.count = count


class PriceOvertakenError(errors.RefusedError):
    """Another version was approved since: bring it up to date first."""

    code: ClassVar[str] = "price.overtaken"


class PriceEffectiveError(errors.RefusedError):
    """It must take effect after today, and not before the version it was made from."""

    code: ClassVar[str] = "price.effective_on"
    status: ClassVar[int] = 422


class PriceRowsError(errors.RefusedError):
    """Rows of a file that cannot be prices; nothing of it was taken. judged: those rows."""

    code: ClassVar[str] = "price.rows"
    status: ClassVar[int] = 422

    def __init__(self, judged: Sequence[Judged]) -> None:
        super().__init__(f"{len(judged)} rows cannot be taken: nothing was changed.")
        self.judged = list(judged)


class PricesKeptError(errors.RefusedError):
    """A delivery brings new prices for a brand whose prices are kept on the platform: nothing of it is imported."""

    code: ClassVar[str] = "brand.prices_kept"


class QuoteSkuUnknownError(errors.RefusedError):
    code: ClassVar[str] = "quote.sku_unknown"
    status: ClassVar[int] = 404


class QuoteChannelUnknownError(errors.RefusedError):
    code: ClassVar[str] = "quote.channel_unknown"
    status: ClassVar[int] = 404


class QuoteResellerUnknownError(errors.RefusedError):
    code: ClassVar[str] = "quote.reseller_unknown"
    status: ClassVar[int] = 404


class QuoteNotJoinedError(errors.RefusedError):
    """On that day the reseller had not joined yet."""

    code: ClassVar[str] = "quote.not_joined"


class QuoteChannelClosedError(errors.RefusedError):
    """The reseller may not sell in the channel on that day."""

    code: ClassVar[str] = "quote.channel_closed"


class QuoteNotOnSaleError(errors.RefusedError):
    """The SKU was taken off sale."""

    code: ClassVar[str] = "quote.not_on_sale"


class QuoteNotForSaleError(errors.RefusedError):
    """No price is in force there on that day."""

    code: ClassVar[str] = "quote.not_for_sale"
