"""The certificate of a version: everything that was allowed, on one paper, the same bytes whenever it is made, and kept."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import pypdf
import pytest
from tests import books
from tests.rooms.commission import plan_desk

from qucheng.commission import plan_publish, plan_version
from qucheng.core import crypto
from qucheng.settlement import plan_certificate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rooms.commission.plan_desk import Desk

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def desk(tmp_path: Path, keys: crypto.Keys) -> Desk:
    made = await plan_desk.opened(tmp_path, keys, orders=[])
    number = await made.open()
    await made.change(number, "OWN", kind="percent", level="1", basis="net", rate="12.5%", channel="web")
    await made.add(number, code="VOLUME", kind="slab", basis="net", rate="0:0;5000:1%")
    await made.publish(number)
    return made


async def test_the_paper_says_what_was_allowed_and_carries_the_plan_word_for_word(desk: Desk, keys: crypto.Keys) -> None:
    with pytest.raises(plan_version.CertificateNotReadyError):
        await plan_version.certificate(brand=desk.brand, number=1)
    work = await plan_desk.claimed(plan_publish.CERTIFICATE)
    await plan_certificate.make(work=work, brand=desk.brand, keys=keys, now=books.NOW)
    assert work.finished
    found = await plan_version.certificate(brand=desk.brand, number=1)
    version = await plan_version.read(brand=desk.brand, number=1)
    assert (found.file_name, found.sha256) == (f"{desk.brand.code}-plan-1.pdf", hashlib.sha256(found.pdf).hexdigest())
    assert version.certificate
    reader = pypdf.PdfReader(io.BytesIO(found.pdf))
    ((name, (attached, *_)),) = reader.attachments.items()
    assert name == f"{desk.brand.code}-plan-1.json"
    assert (attached.decode(), hashlib.sha256(attached).hexdigest()) == (version.document, version.sha256)
    said = "".join("".join(page.extract_text().split()) for page in reader.pages)
    for expected in (
        "生效日Inforcefrom2101-01-01",
        "提交人Author某人",
        f"方案摘要Hashoftheplan{version.sha256}",
        "政策Policyintl·2005-11-01",
        "佣金占净额上限Atmostofaline'snet50%",
        "OWN-2更改changed←OWN卖出者theseller比例Share渠道web·channelweb",
        "12.5%实付额net",
        "VOLUME新增added",
        "≥0:0%;≥5000:1%",
        "自生效日起终止Endedfromthatday:OWN",
        "最高佣金Worstcase13.5%·商品SKUcard·渠道channelweb·分级tiergold",
        "该单价格Atapriceof100.00CNY·成本cost60.00·佣金commission13.50·OWN-2,VOLUME",
    ):
        assert expected in said, expected
    again = plan_certificate.render(await plan_certificate.describe(brand=desk.brand, version=version, keys=keys))
    assert again == found.pdf


async def test_a_version_that_is_not_approved_has_none(desk: Desk, keys: crypto.Keys) -> None:
    number = await desk.open()
    version = await plan_version.read(brand=desk.brand, number=number)
    with pytest.raises(plan_version.CertificateNotReadyError):
        await plan_certificate.describe(brand=desk.brand, version=version, keys=keys)
