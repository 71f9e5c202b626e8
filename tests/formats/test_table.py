"""The table lines up, says everything, and shows hostile words instead of obeying them."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len

from lime_cli.engine.explanation import Explanation, Interval, Surrogate, Weight
from lime_cli.engine.instance import Column, Component, Segment, Skipped, Spans, Subject
from lime_cli.engine.model import CodedWarning, Identity
from lime_cli.formats import Look
from lime_cli.formats.wording import fidelity_in_words, value_beside
from lime_cli.registry import FORMATS
from lime_cli.settings import Settings

REVIEW = "The acting was awful, the music good.\nAwfully good [red]music[/red]."


def explanation(components, weights, facts=None, **surrogate) -> Explanation:
    numbers = {"model_prediction": 0.873, "intercept": 0.312, "local_prediction": 0.726}
    numbers |= {"fidelity": 0.74, "fit_r2": 0.77} | surrogate
    return Explanation(
        subject=Subject("17", "tabular", "adult.csv", "d" * 64, facts or {}),
        model=Identity("pickle", "3fa9c1d2" * 8, "classification", ("<=50K", ">50K")),
        components=tuple(components),
        skipped=(),
        surrogates=(Surrogate(1, ">50K", weights=tuple(weights), **numbers),),
        warnings=(),
        samples=4096,
        effective_samples=811.6,
        kernel_width=1.3,
        stop="samples",
        settings=Settings(),
    )


def adult() -> Explanation:
    one = explanation(
        [
            Component("education num > 12", 14, Column("education num")),
            Component("hours per week <= 40", 38.0, Column("hours per week")),
            Component("sex = Male", "Male", Column("sex")),
        ],
        [
            Weight(0, 0.2312, 0.005, Interval(0.2212, 0.2412)),
            Weight(1, -0.1044, 0.005, Interval(-0.1144, -0.0944)),
            Weight(2, 0.0121, 0.01, Interval(-0.0079, 0.0321)),
        ],
    )
    return replace(
        one,
        skipped=(Skipped("fnlwgt", "constant column"), Skipped("race", "constant column")),
        warnings=(CodedWarning("older_model", "saved by scikit-learn 1.5, running 1.7"),),
    )


def named(name, value=None) -> Explanation:
    return explanation([Component(name, value, Column("x"))], [Weight(0, 0.2)])


def review(**surrogate) -> Explanation:
    return explanation(
        [
            Component("awful", None, Spans(((15, 20),))),
            Component("good", None, Spans(((32, 36), (46, 50)))),
        ],
        [Weight(0, -0.31), Weight(1, 0.22)],
        {"text": REVIEW},
        **surrogate,
    )


def image() -> Explanation:
    return explanation(
        [Component("superpixel 14", None, Segment(14, 300, (140, 5, 162, 40), (150.0, 20.0)))],
        [Weight(0, 0.3)],
    )


def drawn(*explanations, **look) -> str:
    out = io.BytesIO()
    FORMATS["table"](explanations, out, Look(**look))
    return out.getvalue().decode("utf-8")


def plain(*explanations, **look) -> str:
    return drawn(*explanations, unicode=False, **look)


ADULT = """\
adult.csv 17                                                     pickle 3fa9c1d2
class ">50K": the model predicts 0.873

  -0.241         0         +0.241   weight +- 95%   component
                 |##############-   +0.231 +-0.010  education num > 12    14
          -======|                  -0.104 +-0.010  hours per week <= 40  38
                 |#-               ~+0.012 +-0.020  sex = Male

  ~           the interval contains 0: the sign is not certain
  surrogate   0.726 against the model's 0.873, gap +0.147; intercept 0.312
  fidelity    0.74, good
  weights     how much a part adds when it is kept and not masked; masked: its
              value is replaced; intercept: all parts masked
  samples     4,096, effective sample size 812
  skipped     2 constant column: fnlwgt, race
  warning     older_model: saved by scikit-learn 1.5, running 1.7
"""


def test_a_table_in_pure_ascii():
    assert plain(adult()) == ADULT


def test_a_table_in_unicode_has_half_cells():
    components = [Component(name, None, Column(name)) for name in "abc"]
    text = drawn(explanation(components, [Weight(0, 1.0), Weight(1, -0.5), Weight(2, 0.5)]))
    assert "  │━━━━━━━━━━━━━━━   +1.00  a\n" in text
    assert "  ╺━━━━━━━│                  −0.50  b\n" in text
    assert "  │━━━━━━━╸          +0.50  c\n" in text
    assert "±0.010" in drawn(adult())


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_lines_keep_to_the_width_and_share_one_axis(width, unicode):
    text = drawn(adult(), review(), image(), width=width, unicode=unicode)
    assert max(map(cell_len, text.splitlines())) <= width
    axis = "│" if unicode else "|"
    bars = drawn(adult(), width=width, unicode=unicode).splitlines()
    assert len({line.index(axis) for line in bars if axis in line}) == 1


def test_without_intervals_there_is_no_column_for_them():
    assert "+-" not in plain(review())
    assert "95%" not in plain(review())


def test_an_error_too_small_for_the_decimals_is_not_written_as_none():
    components = [Component(f"c{i}", None, Column(f"c{i}")) for i in range(2)]
    large = Weight(0, 0.4, 0.0012, Interval(0.398, 0.402))
    small = Weight(1, -0.001, 0.0001, Interval(-0.0012, -0.0008))
    text = plain(explanation(components, [large, small]))
    assert " +0.400 +-0.002   c0" in text
    assert " -0.001 +-<0.001  c1" in text


def test_weights_line_up_at_the_decimal_point():
    components = [Component(f"c{i}", None, Column(f"c{i}")) for i in range(3)]
    text = plain(explanation(components, [Weight(0, 12.345), Weight(1, -1.5), Weight(2, 0.004)]))
    points = [line.rindex(".") for line in text.splitlines() if "|" in line]
    assert len(set(points)) == 1
    assert "+12.3 " in text
    assert " -1.5 " in text


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (0.0, "0.00"),
        (-2e-15, "0.00"),
        (1e-5, "+1.00e-05"),
        (3e7, "+30,000,000"),
        (-1234567.0, "-1,234,567"),
        (-5e300, "-5.00e+300"),
    ],
)
def test_weights_of_any_size_are_drawn(weight, said):
    text = plain(explanation([Component("c", None, Column("c"))], [Weight(0, weight)]))
    assert f" {said}  c" in text


def test_no_weights_are_said():
    text = plain(explanation([], [], fidelity=None))
    assert "no component has a weight" in text
    assert "fidelity    undefined: how much masking decides cannot be told from chance" in text


def test_classes_share_a_scale_and_quantities_do_not():
    one = adult()
    small = replace(one.surrogates[0], name="<=50K", target=0, weights=(Weight(0, 0.05),))
    both = replace(one, surrogates=(one.surrogates[0], small))
    assert plain(both).count("  -0.241") == 2
    assert 'class "<=50K": the model predicts 0.873' in plain(both)
    quantity = replace(both, model=both.model._replace(task="regression"))
    assert "-0.0500 " in plain(quantity)


def test_an_empty_line_stands_between_explanations():
    assert plain(adult(), adult()) == ADULT + "\n" + ADULT
    assert drawn() == ""


def test_explanations_are_written_as_they_come():
    out, seen = io.BytesIO(), []

    def arriving():
        for _ in range(2):
            yield adult()
            seen.append(len(out.getvalue()))

    FORMATS["table"](arriving(), out, Look(unicode=False))
    assert seen == [len(ADULT), 2 * len(ADULT) + 1]


def test_exhausted_samples_are_said():
    assert "samples     4,096, all there are: no sampling error" in plain(
        replace(adult(), stop="exhaustive")
    )


def test_words_of_a_text_are_marked_in_place_without_colour():
    text = plain(review())
    assert "  The acting was [-awful-], the music [+good+].\n" in text
    assert "  Awfully [+good+] [red]music[/red].\n" in text
    assert '[+for+] class ">50K", [-against-] it' in text
    assert "good  x2\n" in text
    quantity = replace(review(), model=review().model._replace(task="regression"))
    assert '[+raises+] output ">50K", [-lowers-] it' in plain(quantity)


def test_words_of_a_text_are_tinted_in_colour():
    text = drawn(review(), colour=True)
    assert "\x1b[38;5;16;48;5;75mgood\x1b[0m" in text
    assert "\x1b[38;5;16;48;5;208mawful\x1b[0m" in text
    assert "[+good+]" not in text


def test_bars_are_blue_for_and_orange_against():
    text = drawn(adult(), colour=True)
    assert "\x1b[38;5;33m━━━━━━━━━━━━━━╸\x1b[0m   +0.231" in text
    assert "\x1b[38;5;208m        ╺━━━━━━\x1b[0m" in text


def test_a_whisker_goes_to_the_end_of_the_interval_on_either_side():
    components = [Component(name, None, Column(name)) for name in "ab"]
    weights = [
        Weight(0, 0.5, 0.25, Interval(0.0, 1.0)),
        Weight(1, -0.25, 0.25, Interval(-0.75, 0.25)),
    ]
    text = drawn(explanation(components, weights))
    assert "│━━━━━━━╸───────" in text
    assert "    ───────━━━━│────           " in text


def test_unresolved_weights_are_dimmed_in_colour():
    (line,) = [line for line in drawn(adult(), colour=True).splitlines() if "sex = Male" in line]
    assert "\x1b[2;38;5;33m" in line
    assert "\x1b[2;38;5;33m" not in drawn(adult(), colour=True).replace(line, "")


def test_only_marked_lines_of_a_long_text_are_shown():
    text = "plain line\n" * 40 + "an awful line\n" + "plain line\n" * 40
    start = text.index("awful")
    where = Spans(((start, start + 5),))
    one = explanation([Component("awful", None, where)], [Weight(0, -1.0)], {"text": text})
    assert "  ... 40 lines\n  an [-awful-] line\n  ... 4" in plain(one)


def test_superpixels_say_where_they_are_and_how_to_see_them():
    text = plain(image())
    assert "superpixel 14  x 140-162, y 5-40\n" in text
    assert "-o overlay.png draws the superpixels on it" in text


ENVIRONMENTS = [{}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}, {"COLUMNS": "30", "NO_COLOR": "1"}]


@pytest.mark.parametrize("variables", ENVIRONMENTS)
def test_only_the_look_decides(monkeypatch, variables):
    before = [drawn(adult(), review(), colour=colour) for colour in (False, True)]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert [drawn(adult(), review(), colour=colour) for colour in (False, True)] == before
    assert "\x1b" not in before[0]
    assert "\x1b" in before[1]


HOSTILE = {
    "[red]x[/red]": "[red]x[/red]",
    "\x1b[31mx": "\\x1b[31mx",
    "</script>": "</script>",
    "a\nb\rc\td": "a\\nb\\rc\\td",
    "\x9b31m\x07\x08": "\\x9b31m\\x07\\x08",
    "\u202edcba": "\\u202edcba",
    "\udce9": "\\udce9",
    ":smile:": ":smile:",
    "[link=http://x]y": "[link=http://x]y",
}


@pytest.mark.parametrize(("name", "shown"), HOSTILE.items())
@pytest.mark.parametrize("colour", [True, False])
def test_hostile_words_are_shown_and_never_obeyed(name, shown, colour):
    one = named(name, value=name + "!")
    subject = replace(one.subject, id=name, source=name, facts={"text": name})
    surrogate = replace(one.surrogates[0], name=name)
    one = replace(
        one,
        subject=subject,
        surrogates=(surrogate,),
        skipped=(Skipped(name, name),),
        warnings=(CodedWarning("code", name),),
    )
    text = drawn(one, colour=colour)
    assert text.count(shown) >= 6
    assert name == shown or name not in text


def test_hostile_texts_are_shown_and_never_obeyed():
    words = "an awful\x1b[31m \x1b]0;title\x07 good\r\nend"
    where = Spans(((3, 12),))
    one = explanation([Component("awful", None, where)], [Weight(0, -1.0)], {"text": words})
    assert "an [-awful\\x1b[31-]m \\x1b]0;title\\x07 good\n  end\n" in drawn(one)
    assert "awful\\x1b[31\x1b[0m" in drawn(one, colour=True)


def test_without_unicode_everything_is_ascii():
    one = replace(named("年齢 > 40", "é"), warnings=(CodedWarning("code", "weiß … “x”"),))
    text = plain(one, review())
    assert text.isascii()
    assert "\\u5e74\\u9f62 > 40  \\xe9" in text


def test_wide_characters_keep_the_columns():
    components = [
        Component("年齢 > 40", 41, Column("年齢")),
        Component("age > 40", 42, Column("age")),
    ]
    text = drawn(explanation(components, [Weight(0, 0.2), Weight(1, 0.1)]))
    lines = [line for line in text.splitlines() if "│" in line]
    assert cell_len(lines[0]) == cell_len(lines[1])


@pytest.mark.parametrize("letter", ["n", "年"])
@pytest.mark.parametrize(("unicode", "end"), [(True, "…"), (False, "...")])
def test_long_names_are_cut_with_an_ellipsis(letter, unicode, end):
    text = drawn(named(letter * 200), unicode=unicode)
    axis = "│" if unicode else "|"
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if axis in line)
    assert lines[first + 2].rstrip().endswith(end)
    assert not lines[first + 3].strip()
    assert all(77 <= cell_len(line) <= 80 for line in lines[first : first + 3])


def test_a_name_that_needs_them_has_several_lines_and_loses_nothing():
    name = "payment_method = credit card (automatic), paid on the first of the month"
    lines = drawn(named(name)).splitlines()
    first = next(i for i, line in enumerate(lines) if "│" in line)
    column = lines[first].index("payment")
    end = first + lines[first:].index("")
    assert end - first > 1
    assert " ".join(line[column:] for line in lines[first:end]) == name
    assert max(map(cell_len, lines)) <= 80


@pytest.mark.parametrize(
    ("fidelity", "words"),
    [
        (1, "very good"),
        (0.9, "very good"),
        (0.7, "good"),
        (0.5, "fair"),
        (0.3, "poor"),
        (0.29, "very poor: the surrogate does not describe the model here"),
        (-1, "very poor: the surrogate does not describe the model here"),
    ],
)
def test_fidelity_in_words(fidelity, words):
    assert fidelity_in_words(fidelity) == words


@pytest.mark.parametrize(
    ("name", "value", "beside"),
    [
        ("hair = 1", 1, ""),
        ("hair = 1", 1.0, ""),
        ("hair = True", True, ""),
        ("hair = 1", True, ""),
        ("age <= 39", 39, "39"),
        ("income is missing", None, ""),
        ("income is missing", float("nan"), ""),
        ("awful", "awful", ""),
        ("3.2 < petal length <= 4.5", 4.0, "4"),
        ("notes", "some words", "some words"),
        ("x", 1.23456789, "1.23457"),
    ],
)
def test_values_stand_beside_names_that_do_not_say_them(name, value, beside):
    assert value_beside(Component(name, value, Column("x"))) == beside


def test_words_whose_sign_is_not_certain_are_marked_apart(limex):
    given = ("explain", "text", "sample_models/reviews.pkl", "--samples", "16", "--text")
    said = limex(*given, "a wonderful film with an ending that is not so very new at all").out
    unsure = [line.split()[-1] for line in said.splitlines() if " ~" in line and "+-" in line]
    assert unsure
    passage = said.partition("[")[2].partition("\n\n")[0]
    assert all(f"~{word}~" in passage for word in unsure)
    assert "[~not certain~]" in said


@pytest.mark.parametrize("name", ["no", "0", "True", "not spam"])
def test_a_class_is_read_as_a_name(name):
    one = adult()
    named_so = replace(one, surrogates=(replace(one.surrogates[0], name=name),))
    assert f'class "{name}": the model predicts 0.873' in plain(named_so)
    quantity = replace(
        named_so, model=named_so.model._replace(task="regression", targets=("prediction",))
    )
    assert "\nthe model predicts 0.873" in plain(quantity)
