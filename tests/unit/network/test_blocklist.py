"""A promise of income is found however it is written; what only looks like one is not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qucheng.network import blocklist

LISTED = [*blocklist._LISTED.chinese, *blocklist._LISTED.english]
TRADITIONAL = str.maketrans(blocklist._LISTED.traditional[1::2], blocklist._LISTED.traditional[::2])


@pytest.mark.parametrize("phrase", LISTED)
def test_every_phrase_is_found_in_every_dress(phrase: str) -> None:
    wide = "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in phrase)
    dressed = [
        phrase,
        phrase.upper(),
        wide,
        " ".join(phrase),
        "·".join(phrase),
        "\u200b".join(phrase),
        phrase.translate(TRADITIONAL),
        f"我们承诺{phrase}，明天见" if not phrase.isascii() else f"We say: {phrase}, you see",
    ]
    for text in dressed:
        (found, *_) = blocklist.faults(text)
        assert text[found.at : found.at + len(found.text)] == found.text
    assert any(found.phrase == phrase for found in blocklist.faults(phrase)) or len(phrase) > len(
        blocklist.faults(phrase)[0].phrase
    )


@pytest.mark.parametrize(
    ("text", "phrase", "written", "at"),
    [
        ("每天躺 着 赚", "躺着赚", "躺 着 赚", 2),
        ("躺1赚2钱", "躺赚", "躺1赚", 0),
        ("日入 1,000 元", "日入…", "日入 1", 0),
        ("月入三万不是梦", "日入…", "月入三", 0),
        ("月收入轻松过万", "月收入过万", "月收入轻松过万", 0),
        ("月收入 5% 起，月收入过万", "月收入过万", "月收入过万", 9),
        ("日入轻松上千", "日入…", "日入轻松上千", 0),
        ("日入伍佰，不是日入伍", "日入…", "日入伍佰", 0),
        ("月入不菲", "日入…", "月入不菲", 0),
        ("躺\u3164赚", "躺赚", "躺\u3164赚", 0),
        ("tǎng zhuàn", "tang zhuan", "tǎng zhuàn", 0),
        ("р\u0430ssive income", "passive income", "р\u0430ssive income", 0),
        ("earn RMB 5,000 per month", "earn $ … a month", "earn RMB 5,000 per month", 0),
        ("G3t  r1ch", "get rich", "G3t  r1ch", 0),
        ("Pa$$ive-inc0me", "passive income", "Pa$$ive-inc0me", 0),
        ("Pássive income", "passive income", "Pássive income", 0),
        ("up to $500 a day", "$ … a day", "$500 a day", 6),
        ("200 dollars per day", "$ … a day", "200 dollars per day", 0),
        ("Earn up to S$3,000 a month", "earn $ … a month", "Earn up to S$3,000 a month", 0),
    ],
)
def test_what_is_found_and_where(text: str, phrase: str, written: str, at: int) -> None:
    assert blocklist.faults(text) == [blocklist.Found(phrase, written, at)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "生日入会礼与节日入口",
        "老年入门课程，适合每个家庭",
        "会员月卡 ¥30，有效期 30 天",
        "Video membership, $9.99 per month",
        "A target rich in orders, and enrichment for all",
        "无限代金券 100 元",
        "本月售出的订单按 6% 计佣，退款会冲回佣金",
        "Commission is 6% of what the buyer paid; a refund takes it back.",
        "我们按销售额结算，次月 10 日前发布结算单",
        "酒店可住 2 晚，每年入住一次",
        "生日入伍纪念，当日入库 500 张，每月入账 3 笔",
        "年收入超过 12 万元的需汇算清缴",
    ],
)
def test_what_promises_nothing_is_left_alone(text: str) -> None:
    assert blocklist.faults(text) == []


def test_several_are_all_named_in_their_order() -> None:
    found = blocklist.faults("财务自由？先看 passive income，再说日入过万")
    assert [(each.phrase, each.at) for each in found] == [("财务自由", 0), ("passive income", 8), ("日入…", 25)]


def test_the_refusal_names_all_that_was_found() -> None:
    with pytest.raises(blocklist.PromiseError, match="'躺赢', 'easy money'") as refused:
        blocklist.require("躺赢", None, "easy money", "x")
    assert [each.phrase for each in refused.value.found] == ["躺赢", "easy money"]
    blocklist.require("正常文字", None)


@given(st.text(), st.sampled_from(LISTED), st.text())
def test_no_text_around_it_breaks_the_search(before: str, phrase: str, after: str) -> None:
    """Whatever stands there, each place that is told lies in the text; a phrase between blank lines is found."""
    text = f"{before}\n\n{phrase}\n\n{after}"
    found = blocklist.faults(text)
    assert all(text[each.at : each.at + len(each.text)] == each.text != "" for each in found)
    letters = {sign for sign in before + after if unicodedata.category(sign)[0] == "L"}
    assert letters or found
