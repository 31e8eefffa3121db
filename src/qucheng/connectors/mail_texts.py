"""The words of letters, in both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from qucheng.core import letter

Locale = Literal["zh-CN", "en"]

PRODUCT: dict[Locale, str] = {"zh-CN": "渠成", "en": "Qucheng"}
# the token stands behind the #: it is sent to no server by the browser and is in no log
PATHS: dict[letter.Kind, str] = {
    "invitation": "invitation",
    "password-reset": "password",
    "second-factor": "account/sessions",
    "application-received": "application",
    "application-approved": "application",
    "application-rejected": "application",
    # of a buyer, who has no account: the page is the link itself, which the letter brings
    "delivery": "c",
}
TEXTS: dict[tuple[letter.Kind, Locale], tuple[str, str]] = {
    ("invitation", "zh-CN"): (
        "{brand} 邀请你加入",
        "你好：\n\n{brand} 邀请你担任{role}。请在 7 天内打开以下链接接受邀请：\n\n{link}\n\n如果不认识对方，请忽略本邮件。\n",
    ),
    ("invitation", "en"): (
        "{brand} invites you",
        "Hello,\n\n{brand} invites you as {role}. Open this link within 7 days to accept:\n\n{link}\n\nIf you do not know them, ignore this letter.\n",
    ),
    ("password-reset", "zh-CN"): (
        "重置密码",
        "你好：\n\n有人请求重置你的密码。请在 1 小时内打开以下链接设置新密码：\n\n{link}\n\n如果不是本人操作，请忽略本邮件，密码不会改变。\n",
    ),
    ("password-reset", "en"): (
        "Reset your password",
        "Hello,\n\nsomebody asked to reset your password. Open this link within an hour to set a new one:\n\n{link}\n\nIf it was not you, ignore this letter: the password stays.\n",
    ),
    ("second-factor", "zh-CN"): (
        "二次验证已更换",
        "你好：\n\n你账号的二次验证已更换，其他设备已退出登录。\n\n如果不是本人操作，请立即联系平台运营。在以下页面查看登录设备：\n\n{link}\n",
    ),
    ("second-factor", "en"): (
        "Your second factor was replaced",
        "Hello,\n\nthe second factor of your account was replaced, and every other device is signed out.\n\nIf it was not you, tell the platform's operator at once. The devices you are signed in on are listed here:\n\n{link}\n",
    ),
    ("application-received", "zh-CN"): (
        "{brand} 已收到申请",
        "你好：\n\n{brand} 已收到成为分销商的申请。申请免费，任何环节都不收费。在以下页面查看进度：\n\n{link}\n\n如果不是本人申请，请忽略本邮件。\n",
    ),
    ("application-received", "en"): (
        "{brand} has your application",
        "Hello,\n\n{brand} has received your application to become a reseller. It is free, and nothing on the way costs anything. See how far it is:\n\n{link}\n\nIf you did not apply, ignore this letter.\n",
    ),
    ("application-approved", "zh-CN"): (
        "{brand} 通过了申请",
        "你好：\n\n{brand} 通过了成为分销商的申请。邀请另有一封邮件，接受邀请后即可登录。申请记录：\n\n{link}\n",
    ),
    ("application-approved", "en"): (
        "{brand} has approved your application",
        "Hello,\n\n{brand} has approved your application to become a reseller. Another letter holds your invitation: accept it to sign in. Your application:\n\n{link}\n",
    ),
    ("application-rejected", "zh-CN"): (
        "{brand} 未通过申请",
        "你好：\n\n{brand} 未通过成为分销商的申请。在以下页面查看原因：\n\n{link}\n",
    ),
    ("application-rejected", "en"): (
        "{brand} has declined your application",
        "Hello,\n\n{brand} has declined your application to become a reseller. See why:\n\n{link}\n",
    ),
    ("delivery", "zh-CN"): (
        "{brand}：你购买的卡券",
        "你好：\n\n订单 {order} 的卡券已备好，点此查看：\n\n{link}\n\n链接只给你本人，请勿转发。\n",
    ),
    ("delivery", "en"): (
        "{brand}: what you bought",
        "Hello,\n\nwhat you bought with order {order} is here:\n\n{link}\n\nThe link is for you alone: do not pass it on.\n",
    ),
}
# of notifications: what it is about is said elsewhere
SETTINGS = "/notifications/settings"
NOTICE_SUBJECT: dict[Locale, str] = {"zh-CN": "{place}：{title}", "en": "{place}: {title}"}
NOTICE: dict[Locale, str] = {
    "zh-CN": "你好：\n\n{lines}\n\n查看：\n\n{link}\n\n哪些通知发邮件，可以在这里设置：\n\n{settings}\n",
    "en": "Hello,\n\n{lines}\n\nSee:\n\n{link}\n\nWhat is sent by mail is chosen here:\n\n{settings}\n",
}
ROLES: dict[tuple[str, Locale], str] = {
    ("operator", "zh-CN"): "平台运营",
    ("owner", "zh-CN"): "品牌负责人",
    ("manager", "zh-CN"): "经理",
    ("accountant", "zh-CN"): "会计",
    ("auditor", "zh-CN"): "审计",
    ("support", "zh-CN"): "客服",
    ("clerk", "zh-CN"): "店员",
    ("admin", "zh-CN"): "分销商管理员",
    ("seller", "zh-CN"): "销售",
    ("operator", "en"): "platform operator",
    ("owner", "en"): "owner",
    ("manager", "en"): "manager",
    ("accountant", "en"): "accountant",
    ("auditor", "en"): "auditor",
    ("support", "en"): "support",
    ("clerk", "en"): "shop clerk",
    ("admin", "en"): "reseller administrator",
    ("seller", "en"): "seller",
}
