"""Names in any script are drawn with an installed font, or spelled out."""

import subprocess
import sys

import pytest
from PIL import ImageFont

from lime_cli.formats.drawing import drawable
from tests.conftest import ROOT


def covered(name: str) -> bool:
    """Tell whether a font is installed for all letters of a name."""
    pytest.importorskip("matplotlib")
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    paths = {one.fname for one in font_manager.fontManager.ttflist if "Sans" in one.name}
    return any({ord(one) for one in name} <= FT2Font(path).get_charmap().keys() for path in paths)


@pytest.mark.parametrize("name", ["кошка", "γάτα", "Kätzchen", "قطة", "مرحبا", "бiль 7"])
def test_names_that_matplotlibs_own_font_knows_are_drawn_as_they_are(name):
    pytest.importorskip("matplotlib")
    text, font = drawable(name, 20)
    assert text == name
    assert isinstance(font, ImageFont.FreeTypeFont)


@pytest.mark.parametrize("name", ["बिल्ली", "แมว", "猫", "고양이", "חתול"])
def test_names_in_other_scripts_are_drawn_where_a_font_is_there(name):
    text, font = drawable(name, 20)
    assert text == name if covered(name) else "\\u" in text or text == name
    if text == name:
        assert font.getmask(name).getbbox() is not None


def test_what_no_font_has_is_spelled_out():
    text, _ = drawable("cat \U0010fffd", 20)
    assert text == "cat \\U0010fffd"


def test_what_steers_is_never_drawn():
    assert drawable("a\x1b[31m\nb", 20)[0] == "a\\x1b[31m\\nb"
    assert drawable("ä\x1b\u202e", 20)[0].endswith("\\x1b\\u202e")


def test_plain_names_need_no_matplotlib():
    code = (
        "import sys; from lime_cli.formats.drawing import drawable; drawable('cat', 20)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "sys.modules['matplotlib'] = None\n"
        "assert drawable('Kätzchen', 20)[0] == 'Katzchen'\n"
        "assert drawable('кот', 20)[0] == '\\\\u043a\\\\u043e\\\\u0442'\n"
        "assert drawable('각', 20)[0] == '\\\\uac01'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
