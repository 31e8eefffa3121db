"""The words of letters, in both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from qucheng.core import letter

Locale = Literal["zh-CN", "en"]

PRODUCT: dict[Locale, str] = {"zh-CN": "渠成", "en": "Qucheng"}
# the token stands behind the #: it is sent to no server by the browser and is in no log
PATHS: dict[letter.Kind, str] = {"invitation": "invitation", "password-reset": "password", "second-factor": "account/sessions"}
TEXTS: dict[tuple[letter.Kind, Locale], tuple[str, str]] = {
    ("invitation", "zh-CN"): (
        "{brand} 邀请您加入",
        "您好：\n\n{brand} 邀请您担任{role}。请在 7 天内打开以下链接接受邀请：\n\n{link}\n\n如果您不认识对方，请忽略本邮件。\n",
    ),
    ("invitation", "en"): (
        "{brand} invites you",
        "Hello,\n\n{brand} invites you as {role}. Open this link within 7 days to accept:\n\n{link}\n\nIf you do not know them, ignore this letter.\n",
    ),
    ("password-reset", "zh-CN"): (
        "重置密码",
        "您好：\n\n有人请求重置您的密码。请在 1 小时内打开以下链接设置新密码：\n\n{link}\n\n如果不是您本人操作，请忽略本邮件，密码不会改变。\n",
    ),
    ("password-reset", "en"): (
        "Reset your password",
        "Hello,\n\nsomebody asked to reset your password. Open this link within an hour to set a new one:\n\n{link}\n\nIf it was not you, ignore this letter: the password stays.\n",
    ),
    ("second-factor", "zh-CN"): (
        "二次验证已更换",
        "您好：\n\n您账号的二次验证已更换，其他设备已退出登录。\n\n如果不是您本人操作，请立即联系平台运营。在以下页面查看登录设备：\n\n{link}\n",
    ),
    ("second-factor", "en"): (
        "Your second factor was replaced",
        "Hello,\n\nthe second factor of your account was replaced, and every other device is signed out.\n\nIf it was not you, tell the platform's operator at once. The devices you are signed in on are listed here:\n\n{link}\n",
    ),
}
ROLES: dict[tuple[str, Locale], str] = {
    ("operator", "zh-CN"): "平台运营",
    ("owner", "zh-CN"): "品牌负责人",
    ("manager", "zh-CN"): "经理",
    ("accountant", "zh-CN"): "会计",
    ("auditor", "zh-CN"): "审计",
    ("support", "zh-CN"): "客服",
    ("admin", "zh-CN"): "分销商管理员",
    ("seller", "zh-CN"): "销售",
    ("operator", "en"): "platform operator",
    ("owner", "en"): "owner",
    ("manager", "en"): "manager",
    ("accountant", "en"): "accountant",
    ("auditor", "en"): "auditor",
    ("support", "en"): "support",
    ("admin", "en"): "reseller administrator",
    ("seller", "en"): "seller",
}
