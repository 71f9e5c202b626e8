"""Where the units of a text stand, in every script."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lime_cli.errors import LimexError, MissingDependency, SettingsError
from lime_cli.texts import units as words_module
from lime_cli.texts.units import END, LONGEST, MOST, cut, stretches

UNITS = ["word", "char", "sentence", "line", "lime-word", "lime-char", r"regex:\S+"]
AWKWARD = st.text(
    st.sampled_from(
        "aA1 .,'’-!?\n\r\t\u0301\u200d\u200f\u05d0\u0627\u0939\u094d\u0e40\u0e01\u0e32"
        "\u3053\u30fc\u30ab\u6f22\ud55c\U0001f468\U0001f3fd\U0001f1eb\U0001f1f7\udcff\ud800\u2028。"
    ),
    max_size=40,
)


def pieces(text, unit="word"):
    return [text[start:end] for start, end in cut(text, unit)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't like 3.14, naïve café!", "I|don't|like|3.14|naïve|café"),
        ("can’t rock'n'roll", "can’t|rock'n'roll"),
        ("well-known snake_case", "well|known|snake_case"),
        ("मैंने यह फ़िल्म देखी और बहुत अच्छी लगी।", "मैंने|यह|फ़िल्म|देखी|और|बहुत|अच्छी|लगी"),
        ("هذا الفيلم رائعٌ جدًّا، ولم أندم!", "هذا|الفيلم|رائعٌ|جدًّا|ولم|أندم"),
        ('הסרט הזה מצוין, צה"ל', 'הסרט|הזה|מצוין|צה"ל'),
        ("这部电影非常好看,我很喜欢!", "这|部|电|影|非|常|好|看|我|很|喜|欢"),
        ("この映画はとても面白かったです。", "この|映|画|はとても|面|白|かったです"),
        ("カタカナとコーヒー、らーメン", "カタカナ|と|コーヒー|らー|メン"),
        ("이 영화는 정말 재미있었어요.", "이|영화는|정말|재미있었어요"),
        ("ภาพยนตร์เรื่องนี้ดีมาก", "ภา|พ|ย|น|ต|ร์|เรื่|อ|ง|นี้|ดี|มา|ก"),
        ("good 👨‍👩‍👧 film 👍🏽 🇫🇷🇩🇪 1️⃣", "good|👨‍👩‍👧|film|👍🏽|🇫🇷|🇩🇪|1️⃣"),
        ("e\u0301te\u0301 x", "e\u0301te\u0301|x"),
        ("?! ... --", ""),
    ],
    ids=lambda one: one[:12],
)
def test_words_follow_unicode(text, expected):
    assert pieces(text) == [one for one in expected.split("|") if one]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'He said "Go!" and left. Then it rained.',
            ['He said "Go!"', "and left.", "Then it rained."],
        ),
        ("It costs 3.14 dollars. No!", ["It costs 3.14 dollars.", "No!"]),
        ("An e.g. here is fine. Yes", ["An e.g. here is fine.", "Yes"]),
        ("  one\n\ntwo \r\nthree", ["one", "two", "three"]),
        ("我喜欢。真的！好吗？", ["我喜欢。", "真的！", "好吗？"]),
        ("यह अच्छी है। मुझे पसंद है।", ["यह अच्छी है।", "मुझे पसंद है।"]),
        ("هل أنت بخير؟ نعم.", ["هل أنت بخير؟", "نعم."]),
        ("... ?!", []),
    ],
)
def test_sentences_follow_unicode(text, expected):
    assert pieces(text, "sentence") == expected


def test_sentences_end_where_icu_ends_them():
    breakers = pytest.importorskip("icu4py.breakers")
    rng = random.Random(0)
    letters = [*"aaBB.. !?\"')(,1\n\r-:", "\u0301", "\u200d", "。", "é", "ß", "我", "\u2028", "…"]
    for _ in range(2000):
        text = "".join(rng.choices(letters, k=rng.randint(1, 14)))
        ours = {match.end() for match in END.finditer(text)} | {len(text)}
        assert sorted(ours) == [end for _, end in breakers.SentenceBreaker(text, "root").segments()]


def test_dictionaries_find_words_where_no_spaces_are():
    pytest.importorskip("icu4py")
    assert pieces("ภาพยนตร์เรื่องนี้ดีมาก", "icu") == ["ภาพยนตร์", "เรื่อง", "นี้", "ดี", "มาก"]
    assert pieces("👍🏽 good 👨‍👩‍👧 film", "icu") == ["👍🏽", "good", "👨‍👩‍👧", "film"]


def test_without_icu_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "icu4py.breakers", None)
    with pytest.raises(MissingDependency, match=r"pip install 'limex\[icu\]'"):
        cut("text", "icu")


def test_other_units_are_cut():
    assert pieces("añ b", "char") == ["a", "ñ", "b"]
    assert pieces("क्षि 👨‍👩‍👧e\u0301", "char")[-2:] == ["👨‍👩‍👧", "e\u0301"]
    assert pieces("one\n\n two \nthree", "line") == ["one", " two ", "three"]
    assert pieces("a1b22", r"regex:\d+") == ["1", "22"]


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("letter", "--unit: 'letter' is not valid; give word, char, sentence, line, icu, auto"),
        ("regex:(", "not a regular expression"),
        (r"regex:\p{Nonsense}", "not a regular expression"),
    ],
)
def test_an_impossible_unit_is_refused(unit, message):
    with pytest.raises(SettingsError) as caught:
        cut("text", unit)
    assert message in str(caught.value)


def test_a_slow_expression_is_given_up(monkeypatch):
    monkeypatch.setattr(words_module, "SECONDS", 0.2)
    with pytest.raises(SettingsError, match=r"takes longer than 0\.2 s"):
        cut("a" * 5000, r"regex:(?:a+b?)+[cd]$")


@given(st.text(max_size=80) | AWKWARD, st.sampled_from(UNITS))
def test_cutting_by_the_spans_gives_the_text_back(text, unit):
    place, again = 0, ""
    for start, end in cut(text, unit):
        assert place <= start < end <= len(text)
        again += text[place:start] + text[start:end]
        place = end
    assert again + text[place:] == text


@given(AWKWARD)
def test_what_no_word_holds_is_blank_or_punctuation(text):
    inside = {place for start, end in cut(text, "word") for place in range(start, end)}
    for place, character in enumerate(text):
        assert place in inside or not (character.isalnum() and character.isascii())


@given(st.text(max_size=60), st.text(max_size=8))
def test_any_expression_is_used_or_refused(text, expression):
    try:
        cut(text, f"regex:{expression}")
    except LimexError:
        return


@given(st.lists(st.integers(1, 120), max_size=60))
def test_stretches_hold_every_unit_once_and_in_order(sizes):
    text = " ".join(" ".join(["word"] * size) + "." for size in sizes)
    text = text.replace(". w", ". W")
    units = cut(text, "word")
    found = stretches(text, units)
    assert [unit for one in found for unit in one] == units
    assert len(found) <= MOST
    assert all(one for one in found)
    assert len(units) > LONGEST * MOST or max(map(len, found), default=0) <= LONGEST * 2
