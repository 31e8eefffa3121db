"""Make the two fonts of the statement: subsets of Noto Sans SC, regular and bold, named Qucheng Sans.

    npm pack @expo-google-fonts/noto-sans-sc@0.4.3 && tar xzf expo-google-fonts-noto-sans-sc-0.4.3.tgz
    .venv/bin/python scripts/fonts.py package/700Bold/NotoSansSC_700Bold.ttf

Regular comes from the package pylopdf-fonts-zh-cn, which also is the full font behind the subsets for rare characters. The same
sources give the same bytes: their hashes are checked, and the subsets keep the sources' dates.
"""

import argparse
import hashlib
import importlib.resources
import io
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

TARGET = Path(__file__).resolve().parents[1] / "src/qucheng/settlement/fonts"
REGULAR_SHA256 = "faa6c9df652116dde789d351359f3d7e5d2285a2b2a1f04a2d7244df706d5ea9"
BOLD_SHA256 = "9a38ae0ab28cd5a256f9ea8e00dedc688aac17f7915fcb000572990afa956b96"
FAMILY = "Qucheng Sans"

# Latin with the letters of European names, punctuation, currency signs, arrows, the minus and other marks of arithmetic
RANGES = (
    *((0x20, 0x7E), (0xA0, 0x17F), (0x218, 0x21B), (0x2010, 0x2027), (0x2030, 0x205E), (0x20A0, 0x20BF), (0x2190, 0x2193)),
    *((0x2212, 0x2215), (0x2248, 0x2248), (0x2260, 0x2265), (0x3000, 0x301F), (0xFF01, 0xFF5E), (0xFFE0, 0xFFE6)),
)
# hanzi outside GB2312 that are common in names of people and firms
NAMES = (
    "〇堃喆玥珺瑄昇暐祎翀甡珅湉璟琰珩珮珣瑨珝堉垚犇骉燚頔鎏镕锜铖弢旻昉晞禛禤翾淏湜潆澂炘烜焜煊燊玘玙玚玠琤瑀瓅畯朠囍"
    "叡堯壸嫄嬅孖宬屾峣嵘巘帡彧恺愔慜扆抃揆敉昺晔晢晳暁曈朸栐梽棽榕樾橦欤歆殳泱洺浠涴淩渼溱滪潇澍濛瀞瀛灏炅烔焓煐熳爔玎玕玡玥珂珹"
    "琀琇琎琲瑂瑆瑧璈璘璩瓘畇皓皞皛盷睿硚禔秾竑竽筠筼箐簃綦縯罡羿翯耔舸艿芃芊苾茀荞荻莜菂葳蒽蓁蔺薏藜蘅虓蜺衎袆觐諲谞豊赟跻輶逄逖邠郗郇"
    "鄞醴釗鉴鋆鋐鑫钧钶铠锘锳镔镱闿闫阊陔隽霁霂靓韫韪顗颀颢飏飖飗馗骁骃骕骙鲲鸢鹮鹯鹭麒黉黟鼐齐龑"
)


def characters() -> set[int]:
    wanted = {code for first, last in RANGES for code in range(first, last + 1)} | {ord(name) for name in NAMES}
    for row in range(0xA1, 0xF8):
        for cell in range(0xA1, 0xFF):
            wanted.update(ord(char) for char in bytes((row, cell)).decode("gb2312", errors="ignore"))
    return wanted


def cut(source: bytes, weight: str) -> bytes:
    """The subset, without what a horizontal page does not use, under our name."""
    font = TTFont(io.BytesIO(source), recalcTimestamp=False)
    options = subset.Options(hinting=False, desubroutinize=False, notdef_outline=True, recalc_timestamp=False)
    options.layout_features = ["ccmp", "kern", "liga", "locl", "mark", "halt", "palt"]
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "STAT", "DSIG", "gasp", "prep"]
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.name_languages = [0x409]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters())
    subsetter.subset(font)
    rename(font, weight)
    result = io.BytesIO()
    font.save(result, reorderTables=True)
    return result.getvalue()


def rename(font: TTFont, weight: str) -> None:
    postscript = f"{FAMILY.replace(' ', '')}-{weight}"
    names = {1: FAMILY, 2: weight, 3: f"2.004;{postscript}", 4: f"{FAMILY} {weight}", 6: postscript}
    for name_id, text in names.items():
        font["name"].setName(text, name_id, 3, 1, 0x409)
    if "CFF " in font:
        cff = font["CFF "].cff
        cff.fontNames[0] = postscript
        cff.topDictIndex[0].FullName, cff.topDictIndex[0].FamilyName = names[4], FAMILY


def read(path: Path, sha256: str) -> bytes:
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path.name} is another version than the one this script was made for: {found}")
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bold", type=Path, help="NotoSansSC_700Bold.ttf")
    bold = parser.parse_args().bold
    with importlib.resources.as_file(importlib.resources.files("pylopdf_fonts_zh_cn") / "NotoSansSC-Regular.otf") as regular:
        made = {
            "QuchengSans-Regular.otf": cut(read(regular, REGULAR_SHA256), "Regular"),
            "QuchengSans-Bold.ttf": cut(read(bold, BOLD_SHA256), "Bold"),
        }
    for name, data in made.items():
        (TARGET / name).write_bytes(data)
        print(f"{name}  {len(data)} bytes  {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
