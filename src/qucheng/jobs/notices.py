"""Notifications as letters: their words, and where they go."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from qucheng.connectors import mail
from qucheng.core import clock, crypto
from qucheng.identity import notification, notification_mail
from qucheng.web import notice_words, texts

if TYPE_CHECKING:
    from qucheng.core import task
    from qucheng.core.settings import Settings
    from qucheng.identity.notification_mail import Digest

# a task that was given up while no worker ran is told of as well
LOOKED_BACK = dt.timedelta(days=2)
PAGE = "/notifications"


async def send(work: task.Work, current: Settings, public_url: str) -> None:
    """Who is to know of tasks that were given up is told, and what is due goes out."""
    now = clock.now()
    await notification.tell_of_dead_tasks(since=now - LOOKED_BACK)
    post = mail.chosen(mail_url=current.mail_url, folder=current.var / "outbox")

    async def one(digest: Digest) -> None:
        await post.send(mail.notice(written(digest), sender=current.mail_from, public_url=public_url, now=now))

    await notification_mail.deliver(work=work, keys=crypto.keys(current.var / "keys"), send=one, now=now)


def written(digest: Digest) -> mail.Notice:
    """In the language of whoever reads it. Of several resellers each line says whose it is."""
    words = texts.texts(digest.locale)
    decimals = digest.brand.decimals if digest.brand is not None else 2
    shown = [notice_words.line(digest.kind, each.subject, each.values, decimals, words) for each in digest.items]
    several = len({each.reseller for each in digest.items}) > 1
    lines = []
    for item, line in zip(digest.items, shown, strict=True):
        lines.append(f"- {item.reseller}: {line.title}" if several else f"- {line.title}")
        lines += [f"  {row}" for row in line.rows]
    if digest.more:
        lines.append(f"- {notice_words.more(digest.more, words)}")
    alone = len(shown) == 1
    return mail.Notice(
        id=digest.id,
        to=digest.to,
        locale=digest.locale,
        place=digest.brand.name if digest.brand is not None else None,
        title=shown[0].title if alone else words.gettext(notice_words.LABELS[digest.kind]),
        lines=lines,
        address=(shown[0].address or PAGE) if alone else PAGE,
    )
