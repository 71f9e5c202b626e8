"""ONNX models: inputs of every kind, fixed and free batches, and what is refused."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lime_cli.errors import InputError, ModelError, PredictionError, SettingsError, UntrustedModel
from lime_cli.models.model_file import ModelFile
from lime_cli.models.onnx.graph import Graph, _attribute, read_graph
from lime_cli.tabular.row import Table


def saved(path, nodes, inputs, outputs, weights=(), opset=17, domains=(), version=1):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    opsets = [
        helper.make_opsetid("", opset),
        *(helper.make_opsetid(name, version) for name in domains),
    ]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return str(path)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def mean_model(path, shape, kind=TensorProto.FLOAT, axes=(1, 2, 3)):
    """A graph that answers the mean of an image, as one number."""
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=list(axes), keepdims=0)
    return saved(path, [node], [value("x", shape, kind)], [value("y", [shape[0]], kind)], opset=13)


@pytest.mark.parametrize(
    ("shape", "size", "channels", "layout"),
    [
        (["n", 3, 8, 9], (8, 9), 3, "NCHW"),
        (["n", 8, 9, 3], (8, 9), 3, "NHWC"),
        ([1, 1, 8, 8], (8, 8), 1, "NCHW"),
        (["n", 13, 32, 48], (32, 48), 13, "NCHW"),
        (["n", 32, 48, 13], (32, 48), 13, "NHWC"),
        (["n", 3, "h", "w"], None, 3, "NCHW"),
    ],
)
def test_size_channels_and_layout_are_read_from_the_graph(tmp_path, shape, size, channels, layout):
    found = ModelFile(mean_model(tmp_path / "m.onnx", shape)).load().input
    assert (found.size, found.channels, found.layout) == (size, channels, layout)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([1, 3, 8, 64, 64], r"\[1, 3, 8, 64, 64\] is a video or a volume.*py:module:function"),
        (["n", 80, 3000], r"\[n, 80, 3000\] is a sequence of vectors.*py:module:function"),
        (["n", 2, 3, 8, 64, 64], "is an array of 6 axes"),
    ],
)
def test_inputs_of_other_kinds_are_called_what_they_are(tmp_path, shape, words):
    axes = range(1, len(shape))
    with pytest.raises(ModelError, match=words):
        ModelFile(mean_model(tmp_path / "m.onnx", shape, axes=axes)).load()


NAMES = (["neg", "neu", "pos"], [3, 5, 9], ["一", "二", "三"])


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("picking", ["ArrayFeatureExtractor", "Gather"])
@pytest.mark.parametrize("names", NAMES)
def test_classes_are_those_that_an_output_picks_from(tmp_path, names, picking, raw):
    words = isinstance(names[0], str)
    kind = TensorProto.STRING if words else TensorProto.INT64
    held = [one.encode() for one in names] if words else names
    listed = helper.make_tensor("c", kind, [3], held)
    if raw and not words:
        listed = numpy_helper.from_array(np.array(names, np.int64), "c")
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"]),
        helper.make_node("ArgMax", ["p"], ["i"], axis=1, keepdims=0),
        helper.make_node(
            picking,
            ["c", "i"],
            ["l"],
            domain="ai.onnx.ml" if picking == "ArrayFeatureExtractor" else "",
        ),
        helper.make_node("Reshape", ["l", "s"], ["label"]),
    ]
    shape = numpy_helper.from_array(np.array([-1], np.int64), "s")
    ends = [value("label", ["n"], kind), value("p", ["n", 3])]
    domains = ("ai.onnx.ml",) if picking == "ArrayFeatureExtractor" else ()
    weights = [listed, shape]
    path = saved(
        tmp_path / "m.onnx", nodes, [value("x", ["n", 3])], ends, weights, 17, domains=domains
    )
    model = ModelFile(path).load()
    rows = Table(("a", "b", "c"), [np.array([0.1, 2.0]), np.array([0.2, 0.0]), np.zeros(2)])
    found = model.predict(rows)
    assert model.identity.targets == tuple(map(str, names))
    assert found.sum(axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize(("high", "typed"), [(255, "--scale 1 --mean 128"), (127, None)])
def test_pixels_of_signed_bytes_say_what_to_type(tmp_path, high, typed):
    node = helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)
    mean = helper.make_node("ReduceMean", ["f"], ["y"], axes=[1, 2, 3], keepdims=0)
    path = saved(
        tmp_path / "m.onnx",
        [node, mean],
        [value("x", ["n", 4, 4, 3], TensorProto.INT8)],
        [value("y", ["n"])],
    )
    images = np.full((2, 4, 4, 3), high, np.float32)
    if typed is None:
        assert ModelFile(path).load().predict(images)[:, 0].tolist() == [127, 127]
        return
    with pytest.raises(PredictionError, match=typed):
        ModelFile(path).load().predict(images)
    assert ModelFile(path).load().predict(images - 128)[:, 0].tolist() == [127, 127]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([("x", ["n", 20], TensorProto.INT32)], "takes whole numbers, as token ids.*--tokenizer"),
        (
            [("x", [1, 3, 8, 8], TensorProto.FLOAT), ("z", [1, 4], TensorProto.FLOAT)],
            "a function of one of them, which fills in the others: py:",
        ),
    ],
)
def test_what_cannot_be_fed_with_a_text_says_what_can(tmp_path, inputs, words):
    casts = [helper.make_node("Cast", [n], [f"f{n}"], to=TensorProto.FLOAT) for n, _, _ in inputs]
    means = [helper.make_node("ReduceMean", [f"f{n}"], [f"m{n}"], keepdims=1) for n, _, _ in inputs]
    both = helper.make_node("Sum", [f"m{n}" for n, _, _ in inputs], ["y"])
    ports = [value(*one) for one in inputs]
    path = saved(tmp_path / "m.onnx", [*casts, *means, both], ports, [value("y", None)])
    with pytest.raises(ModelError, match=words):
        ModelFile(path).load().input.require("text")


@pytest.mark.parametrize(
    ("shape", "one"),
    [
        ([48, 40, 3], True), ([3, 48, 40], True), ([1, 48, 3], False), ([1, 3, 48], False),
        ([3, "h", "w"], True), (["height", "width", 3], True), (["n", "t", 3], False),
        ([1, "t", "d"], False), ([3, "n", 48], False),
    ],
)  # fmt: skip
def test_an_input_of_one_image_is_told_from_a_series(tmp_path, shape, one):
    words = "is one image, without an axis for more" if one else "is a sequence of vectors"
    with pytest.raises(ModelError, match=words):
        ModelFile(mean_model(tmp_path / "m.onnx", shape, axes=(1, 2))).load()


@pytest.mark.parametrize(("n", "names"), [(784, "0 1 2"), (3 * 196, "0 1 2"), (25, ""), (800, "")])
def test_what_takes_the_pixels_of_a_square_gives_scores_of_classes(tmp_path, n, names):
    weights = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    ports = [value("x", ["n", n])], [value("y", ["n", 3])]
    path = saved(tmp_path / "m.onnx", nodes, *ports, [numpy_helper.from_array(weights, "w")])
    model = ModelFile(path).load()
    rows = np.random.default_rng(1).random((4, n)).astype(np.float32)
    table = Table(tuple(map(str, range(n))), tuple(rows.T))
    assert model.predict(table) == pytest.approx(rows @ weights, abs=1e-4)
    expected = names or "output 0 output 1 output 2"
    assert " ".join(model.identity.targets) == expected


@pytest.mark.parametrize(
    ("axes", "words"),
    [(["n", 5, 3], "for each token or box"), (["n", 3, 8, 8], "such as a class for each pixel")],
)
def test_an_answer_for_each_part_of_an_input_is_called_that(tmp_path, axes, words):
    shape = numpy_helper.from_array(np.array([-1, *axes[1:]], np.int64), "s")
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    n = int(np.prod(axes[1:]))
    path = saved(tmp_path / "m.onnx", nodes, [value("x", ["n", n])], [value("y", axes)], [shape])
    with pytest.raises(PredictionError, match=words):
        ModelFile(path).load().predict(Table(tuple(map(str, range(n))), tuple(np.ones((n, 2)))))


def test_bytes_of_files_are_not_made_of_images(tmp_path):
    nodes = [helper.make_node("Shape", ["x"], ["s"])]
    inputs = [value("x", ["n"], TensorProto.STRING)]
    path = saved(tmp_path / "m.onnx", nodes, inputs, [value("s", [1], TensorProto.INT64)])
    with pytest.raises(PredictionError, match="takes texts, or bytes of files"):
        ModelFile(path).load().predict(np.zeros((2, 4, 4, 3), np.float32))


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("operator", ["TopK", "ReduceMax"])
def test_the_largest_scores_alone_are_no_scores_of_classes(tmp_path, operator, beside):
    k = numpy_helper.from_array(np.array([2], np.int64), "k")
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"]),
        helper.make_node("TopK", ["p", "k"], ["values", "places"]),
    ]
    if operator == "ReduceMax":
        nodes[1] = helper.make_node("ReduceMax", ["p"], ["values"], axes=[1], keepdims=1)
        nodes += [helper.make_node("ArgMax", ["p"], ["places"], axis=1, keepdims=1)]
    width = 2 if operator == "TopK" else 1
    ends = [value("values", ["n", width]), value("places", ["n", width], TensorProto.INT64)]
    ends += [value("p", ["n", 3])] if beside else []
    path = saved(tmp_path / "m.onnx", nodes, [value("x", ["n", 3])], ends, [k])
    if not beside:
        with pytest.raises(ModelError, match=rf"gives only the largest scores.*before {operator}"):
            ModelFile(path).load()
        return
    model = ModelFile(path).load()
    rows = Table(("a", "b", "c"), [np.array([0.1, 2.0]), np.array([0.2, 0.0]), np.zeros(2)])
    assert model.predict(rows).sum(axis=1) == pytest.approx([1, 1])


def test_a_layout_that_the_shape_does_not_tell_is_asked_for(tmp_path):
    path = mean_model(tmp_path / "m.onnx", ["n", 3, 8, 3])
    with pytest.raises(SettingsError, match="--layout NCHW"):
        ModelFile(path).load()
    assert ModelFile(path, layout="NHWC").load().input.size == (3, 8)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        (["n", 3, 96, 96], "NHWC"),
        (["n", 3, "h", "w"], "NHWC"),
        (["n", 1, 28, 28], "NHWC"),
        (["n", 96, 96, 3], "NCHW"),
    ],
)
def test_a_layout_that_the_shape_contradicts_is_refused(tmp_path, shape, layout):
    path = mean_model(tmp_path / "m.onnx", shape)
    with pytest.raises(SettingsError, match=f"--layout {layout}: .*elsewhere; leave it out"):
        ModelFile(path, layout=layout).load()
    assert ModelFile(path).load().input.layout not in (None, layout)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_pictures_are_cast_and_fed_in_the_graph_s_batches(tmp_path, kind, batch):
    model = ModelFile(mean_model(tmp_path / "m.onnx", [batch, 3, 4, 4], kind)).load()
    images = np.random.default_rng(0).random((7, 4, 4, 3)).astype(np.float32)
    expected = images.mean(axis=(1, 2, 3))
    assert model.predict(images)[:, 0] == pytest.approx(expected, abs=2e-3)


def test_a_table_goes_into_one_input_in_order(tmp_path):
    weights = numpy_helper.from_array(np.array([[1.0], [10.0]], np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = saved(
        tmp_path / "m.onnx", [node], [value("x", ["n", 2])], [value("y", ["n", 1])], [weights]
    )
    model = ModelFile(path).load()
    assert model.input.n_columns == 2
    table = Table(("a", "b"), (np.array([1, 2]), np.array([3.0, 4.0])))
    assert model.predict(table)[:, 0].tolist() == [31.0, 42.0]
    assert model.identity.task == "regression"


@pytest.mark.parametrize("shape", [[1, -1, 2], [-1, 2], [2, -1], [300, -1, 2, 1]])
def test_whole_numbers_of_several_bytes_are_read(tmp_path, shape):
    kept = helper.make_tensor("s", TensorProto.INT64, [len(shape)], shape)  # not as raw bytes
    back = helper.make_tensor("t", TensorProto.INT64, [2], [-1, 2])
    nodes = [
        helper.make_node("Expand", ["x", "u0"], ["e"]),
        helper.make_node("Reshape", ["e", "s"], ["z"]),
        helper.make_node("Reshape", ["z", "t"], ["r"]),
        helper.make_node("ReduceMean", ["r"], ["y"], axes=[0], keepdims=1),
    ]
    many = helper.make_tensor("u0", TensorProto.INT64, [2], [600, 2])
    inputs, outputs = [value("x", [1, 2])], [value("y", [1, 2])]
    path = saved(tmp_path / "m.onnx", nodes, inputs, outputs, [kept, back, many])
    table = Table(("a", "b"), (np.array([1.0]), np.array([3.0])))
    assert ModelFile(path).load().predict(table).tolist() == [[1.0, 3.0]]


def test_a_table_goes_into_inputs_of_their_columns_names(tmp_path):
    node = helper.make_node("Sub", ["b", "a"], ["y"])
    path = saved(
        tmp_path / "m.onnx",
        [node],
        [value("a", ["n", 1]), value("b", ["n", 1])],
        [value("y", ["n", 1])],
    )
    model = ModelFile(path).load()
    assert model.input.columns == ("a", "b")
    table = Table(("a", "b"), (np.array([1, 2]), np.array([3, 5])))
    assert model.predict(table)[:, 0].tolist() == [2.0, 3.0]


def test_an_output_is_chosen_by_name_or_index(tmp_path):
    nodes = [
        helper.make_node("Neg", ["x"], ["minus"]),
        helper.make_node("Identity", ["x"], ["same"]),
    ]
    outputs = [value("minus", ["n", 1]), value("same", ["n", 1])]
    path = saved(tmp_path / "m.onnx", nodes, [value("x", ["n", 1])], outputs)
    table = Table(("a",), (np.array([2.0]),))
    assert ModelFile(path).load().predict(table).tolist() == [[-2.0]]
    assert ModelFile(path, output="same").load().predict(table).tolist() == [[2.0]]
    assert ModelFile(path, output="1").load().predict(table).tolist() == [[2.0]]
    with pytest.raises(SettingsError, match="it has minus, same"):
        ModelFile(path, output="none").load()


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_classifier_s_probabilities_are_found_beside_its_labels(tmp_path, zipmap):
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3)).astype(np.float32)
    fitted = LogisticRegression().fit(X, np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)])
    path = tmp_path / "m.onnx"
    options = {id(fitted): {"zipmap": zipmap}}
    path.write_bytes(to_onnx(fitted, X[:1], options=options, target_opset=15).SerializeToString())
    model = ModelFile(str(path)).load()
    assert model.identity.targets == ("no", "yes")
    assert model.probabilities
    table = Table(("a", "b", "c"), tuple(X.T))
    assert model.predict(table) == pytest.approx(fitted.predict_proba(X), abs=1e-6)


@pytest.mark.parametrize("stop", [10, 60, 0.5, 0.9])
def test_a_file_cut_short_is_refused(tmp_path, samples, stop):
    data = (samples / "scenes.onnx").read_bytes()
    path = tmp_path / "m.onnx"
    path.write_bytes(data[: stop if isinstance(stop, int) else int(len(data) * stop)])
    with pytest.raises(ModelError, match=r"^m\.onnx: "):
        ModelFile(str(path)).load()


def test_strangers_operators_are_refused_by_name(tmp_path):
    node = helper.make_node("Summon", ["x"], ["y"], domain="com.example")
    path = saved(
        tmp_path / "m.onnx",
        [node],
        [value("x", ["n", 1])],
        [value("y", ["n", 1])],
        domains=["com.example"],
    )
    with pytest.raises(UntrustedModel, match=r"operators of com\.example"):
        ModelFile(path).load()


@pytest.mark.parametrize("word", ["input", "output"])
def test_a_graph_without_an_input_or_an_output_is_refused(tmp_path, word):
    weight = numpy_helper.from_array(np.ones((2, 1), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    inputs, outputs = [value("x", ["n", 2])], [value("y", ["n", 1])]
    if word == "input":
        node, inputs = helper.make_node("Softmax", ["w"], ["y"]), []
    path = saved(tmp_path / "m.onnx", [node], inputs, outputs * (word == "input"), [weight])
    with pytest.raises(ModelError, match=f"has no {word}"):
        ModelFile(path).load()


def test_an_opset_of_the_future_is_refused(tmp_path):
    node = helper.make_node("Identity", ["x"], ["y"])
    path = saved(
        tmp_path / "m.onnx", [node], [value("x", ["n", 1])], [value("y", ["n", 1])], opset=99
    )
    with pytest.raises(ModelError, match="newer runtime"):
        ModelFile(path).load()


def external(path, location):
    """Write a model whose weight lies in another file."""
    weight = numpy_helper.from_array(np.ones((2, 1), np.float32), "w")
    raw = weight.raw_data
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, text in (("location", location), ("offset", "0"), ("length", str(len(raw)))):
        entry = weight.external_data.add()
        entry.key, entry.value = key, text
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    saved(path, [node], [value("x", ["n", 2])], [value("y", ["n", 1])], [weight])
    return raw


def test_weights_beside_the_model_are_read(tmp_path):
    (tmp_path / "w.bin").write_bytes(external(tmp_path / "m.onnx", "w.bin"))
    model = ModelFile(str(tmp_path / "m.onnx")).load()
    assert model.predict(Table(("a", "b"), (np.array([1.0]), np.array([2.0])))).tolist() == [[3.0]]


@pytest.mark.parametrize("location", ["../w.bin", "a/../../w.bin", "/etc/hostname"])
def test_weights_outside_the_folder_are_refused(tmp_path, location):
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(external(folder / "m.onnx", location))
    with pytest.raises(UntrustedModel, match="outside its folder"):
        ModelFile(str(folder / "m.onnx")).load()


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_weights_that_are_links_are_refused(tmp_path, kind):
    folder = tmp_path / "models"
    folder.mkdir()
    secret = folder / "secret.bin"
    secret.write_bytes(external(folder / "m.onnx", "w.bin"))
    (folder / "w.bin").symlink_to(secret) if kind == "symbolic" else (folder / "w.bin").hardlink_to(
        secret
    )
    with pytest.raises(UntrustedModel, match="a link"):
        ModelFile(str(folder / "m.onnx")).load()


ROUND = [value("i", [], TensorProto.INT64), value("on", [], TensorProto.BOOL), value("v", ["n", 1])]


def looped(path, count, body_nodes, goes_on, weights=(), begins="yes", inside=None):
    """A graph that adds one to its input as often as a loop goes round."""
    kept = [
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.array(1, np.float32), "one"),
        *weights,
    ]
    if count is not None:
        kept.append(numpy_helper.from_array(np.array(count, np.int64), "count"))
    steps = inside or [helper.make_node("Add", ["v", "one"], ["more"])]
    outputs = [value(goes_on, [], TensorProto.BOOL), value("more", ["n", 1])]
    body = helper.make_graph([*body_nodes, *steps], "body", ROUND, outputs)
    names = ["" if count is None else "count", begins, "x"]
    node = helper.make_node("Loop", names, ["y"], body=body)
    return saved(path, [node], [value("x", ["n", 1])], [value("y", ["n", 1])], kept)


SAME = [helper.make_node("Identity", ["on"], ["goes"])]
TRUE = [
    helper.make_node(
        "Constant", [], ["goes"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True])
    )
]
YES = [helper.make_node("Identity", ["yes"], ["goes"])]
FALSE = [helper.make_node("Identity", ["no"], ["goes"])]
WHILE = [helper.make_node("Less", ["i", "most"], ["goes"])]
MOST = numpy_helper.from_array(np.array(8, np.int64), "most")


def inner_loop(count):
    again = [value("i2", [], TensorProto.INT64), value("o2", [], TensorProto.BOOL),
             value("v2", ["n", 1])]  # fmt: skip
    nodes = [
        helper.make_node("Identity", ["o2"], ["goes2"]),
        helper.make_node("Add", ["v2", "one"], ["more2"]),
    ]
    ends = [value("goes2", [], TensorProto.BOOL), value("more2", ["n", 1])]
    body = helper.make_graph(nodes, "inner", again, ends)
    return [helper.make_node("Loop", ["count", "yes", "v"], ["more"], body=body)]


ENDLESS = {
    "a count": lambda path: looped(path, 2**62, SAME, "goes"),
    "no count": lambda path: looped(path, None, SAME, "goes"),
    "nothing that ends it": lambda path: looped(path, None, TRUE, "goes"),
    "what came in goes out": lambda path: looped(path, 2**62, [], "on"),
    "no condition at all": lambda path: looped(path, 2**40, SAME, "goes", begins=""),
    "a constant from outside": lambda path: looped(path, 2**40, YES, "goes"),
    "loops in loops": lambda path: looped(path, 20000, SAME, "goes", inside=inner_loop(20000)),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_loop_that_never_ends_is_refused(tmp_path, name):
    path = ENDLESS[name](tmp_path / "m.onnx")
    with pytest.raises(UntrustedModel, match=r"m\.onnx: holds a loop that never ends") as caught:
        ModelFile(path).load()
    assert "trust" not in caught.value.hint


NO = numpy_helper.from_array(np.array(False), "no")

ENDING = {
    "a count": (lambda path: looped(path, 5, SAME, "goes"), 5),
    "a count in a count": (lambda path: looped(path, 3, SAME, "goes", inside=inner_loop(3)), 9),
    "a condition": (lambda path: looped(path, None, WHILE, "goes", [MOST]), 9),
    "a condition, and any count": (lambda path: looped(path, 2**63 - 1, WHILE, "goes", [MOST]), 9),
    "a condition that is false": (lambda path: looped(path, 2**62, FALSE, "goes", [NO]), 1),
    "a loop that never begins": (lambda path: looped(path, 2**62, SAME, "goes", [NO], "no"), 0),
}


@pytest.mark.parametrize("name", ENDING)
def test_a_loop_that_ends_runs(tmp_path, name):
    make, more = ENDING[name]
    model = ModelFile(make(tmp_path / "m.onnx")).load()
    assert model.predict(Table(("a",), (np.array([2.0]),))).tolist() == [[2.0 + more]]


def test_graphs_in_graphs_without_end_are_one_line(tmp_path):
    content = b""
    for field in (b"\x0a", b"\x2a", b"\x32") * 3000:
        size, length = len(content), b""
        while size > 127:
            size, length = size >> 7, length + bytes([size & 127 | 128])
        content = field + length + bytes([size]) + content
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    (tmp_path / "m.onnx").write_bytes(b"\x3a" + length + bytes([size]) + content)
    with pytest.raises(ModelError, match=r"^m\.onnx: "):
        ModelFile(str(tmp_path / "m.onnx")).load()


def in_fields(*parts):
    """Write fields of a message, each by its key and what it holds."""
    return b"".join(
        key + bytes([len(held) & 0x7F | 0x80, len(held) >> 7]) + held for key, held in parts
    )


@pytest.mark.parametrize("hidden", [0x2A, 0x6A], ids=["a weight", "where a weight is"])
def test_a_field_whose_key_only_the_runtime_reads_is_damaged(tmp_path, hidden):
    """Protobuf forgets the last bits of a key of five bytes."""
    path = tmp_path / "m.onnx"
    (tmp_path / "elsewhere").write_bytes(external(path, "w.bin"))
    (tmp_path / "w.bin").hardlink_to(tmp_path / "elsewhere")
    said = onnx.load(str(path), load_external_data=False)
    (weight,) = said.graph.initializer

    def key(number):
        wide = bytes([number | 0x80, 0x80, 0x80, 0x80, 0x10])
        return wide if number == hidden else bytes([number])

    entries = [(key(0x6A), entry.SerializeToString()) for entry in weight.external_data]
    weight.ClearField("external_data")
    held = weight.SerializeToString() + in_fields(*entries)
    said.graph.ClearField("initializer")
    graph = said.graph.SerializeToString() + in_fields((key(0x2A), held))
    said.ClearField("graph")
    path.write_bytes(said.SerializeToString() + in_fields((b"\x3a", graph)))
    with pytest.raises(ModelError, match="is not an ONNX model"):
        ModelFile(str(path)).load()


@pytest.mark.parametrize(
    "data",
    [b"\x08\x08\x3a\xf5" + b"\xff" * 8 + b"\x01", b"\x08\x08\x00\x00"],
    ids=["a length below zero", "a field of number zero"],
)
def test_a_field_that_no_message_has_is_damaged(tmp_path, data):
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="is not an ONNX model"):
        read_graph(tmp_path / "m.onnx")


def test_a_tensor_of_countless_axes_is_damaged_at_once(tmp_path):
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**62] * 10**6)
    node = helper.make_node("Identity", ["w"], ["y"])
    saved(tmp_path / "m.onnx", [node], [value("x", ["n", 2])], [value("y", ["n", 1])], [weight])
    with pytest.raises(ModelError, match="is not an ONNX model"):
        read_graph(tmp_path / "m.onnx")


@pytest.mark.parametrize("location", ["a\0b", "*/_ORT_MEM_ADDR_/*", "w.bin\0"])
def test_weights_that_are_in_no_file_are_refused(tmp_path, location):
    (tmp_path / "*" / "_ORT_MEM_ADDR_").mkdir(parents=True)
    (tmp_path / "*" / "_ORT_MEM_ADDR_" / "*").write_bytes(bytes(64))
    path = tmp_path / "m.onnx"
    external(path, location)
    with pytest.raises(UntrustedModel, match="its weights are in no file"):
        ModelFile(str(path)).load()


def test_weights_that_change_while_they_are_read_are_refused(tmp_path, monkeypatch):
    from lime_cli.models.onnx import runtime

    path = tmp_path / "m.onnx"
    external(path, "w.bin")
    (tmp_path / "w.bin").write_bytes(bytes(64))
    (tmp_path / "other.bin").write_bytes(bytes(range(64)))
    opened = runtime.opened

    def slow(*given):
        (tmp_path / "other.bin").replace(tmp_path / "w.bin")
        return opened(*given)

    monkeypatch.setattr(runtime, "opened", slow)
    with pytest.raises(ModelError, match="its weights changed while they were read"):
        ModelFile(str(path)).load()


def test_a_runtime_that_reads_outside_the_folder_gets_no_weights_beside(tmp_path, monkeypatch):
    import onnxruntime

    path = tmp_path / "m.onnx"
    external(path, "w.bin")
    (tmp_path / "w.bin").write_bytes(bytes(64))
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    with pytest.raises(ModelError, match=r"onnxruntime 1\.23\.2 also reads those outside"):
        ModelFile(str(path)).load()


def test_inputs_of_another_size_are_refused_in_words(tmp_path):
    model = ModelFile(mean_model(tmp_path / "m.onnx", ["n", 3, 4, 4])).load()
    with pytest.raises(PredictionError, match=r"m\.onnx: the model failed on its input"):
        model.predict(np.zeros((1, 5, 5, 3), np.float32))


def test_the_digest_is_that_of_the_file(samples):
    path = samples / "scenes.onnx"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert ModelFile(str(path)).load().identity.digest == digest


def test_the_model_is_loaded_once_per_process(samples):
    file = ModelFile(str(samples / "scenes.onnx"))
    assert file.load() is file.load()


def test_onnx_and_its_checker_agree_that_the_test_models_are_valid(tmp_path):
    onnx.checker.check_model(onnx.load(mean_model(tmp_path / "m.onnx", ["n", 3, 4, 4])))


def picks(path, inputs):
    """A graph that answers the sum of its inputs, each cast to float."""
    nodes = [
        helper.make_node("Cast", [one.name], [f"{one.name}_f"], to=TensorProto.FLOAT)
        for one in inputs
    ]
    nodes.append(helper.make_node("Sum", [f"{one.name}_f" for one in inputs], ["y"]))
    return saved(path, nodes, inputs, [value("y", ["n", 1])])


KINDS = [
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.INT64,
    TensorProto.INT32,
    TensorProto.BOOL,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [float, int, bool, object])
def test_a_column_of_another_type_is_cast_where_nothing_is_lost(tmp_path, kind, dtype):
    path = picks(tmp_path / "m.onnx", [value("a", ["n", 1], kind), value("b", ["n", 1])])
    table = Table(("b", "a"), (np.array([2.5, 0.5]), np.array([1, 0]).astype(dtype)))
    assert ModelFile(path).load().predict(table)[:, 0].tolist() == [3.5, 0.5]


@pytest.mark.parametrize(
    ("kind", "cell", "message"),
    [
        (TensorProto.INT64, 3.5, r"takes whole numbers \(int64\), not 3\.5"),
        (TensorProto.INT64, np.nan, "whole numbers .*not a missing value"),
        (TensorProto.INT32, 2.0**40, r"whole numbers \(int32\)"),
        (TensorProto.BOOL, 2, "takes 0 or 1"),
        (TensorProto.FLOAT, 1e300, r"takes numbers \(float32\), not 1e\+300"),
        (TensorProto.FLOAT, "Oslo", "takes numbers .*not 'Oslo'"),
    ],
)
def test_a_cast_that_loses_something_names_the_column(tmp_path, kind, cell, message):
    path = picks(tmp_path / "m.onnx", [value("a", ["n", 1], kind), value("b", ["n", 1])])
    column = np.array([cell, cell], object if isinstance(cell, str) else None)
    with pytest.raises(PredictionError, match=rf"^m\.onnx: column 'a': .*{message}"):
        ModelFile(path).load().predict(Table(("a", "b"), (column, np.zeros(2))))


@pytest.mark.parametrize("dtypes", [(float, float), (int, int), (float, int), (object, float)])
def test_columns_of_one_input_are_cast_alike_whether_at_once_or_each(tmp_path, dtypes):
    path = saved(
        tmp_path / "m.onnx",
        [helper.make_node("ReduceSum", ["x"], ["y"], axes=[1])],
        [value("x", ["n", 2])],
        [value("y", ["n", 1])],
        opset=11,
    )
    columns = tuple(np.array([n, n + 1]).astype(one) for n, one in zip((1, 5), dtypes, strict=True))
    assert ModelFile(path).load().predict(Table(("a", "b"), columns)).tolist() == [[6], [8]]


def test_a_cast_that_loses_something_among_many_columns_names_the_column(tmp_path):
    path = saved(
        tmp_path / "m.onnx",
        [helper.make_node("Identity", ["x"], ["y"])],
        [value("x", ["n", 3])],
        [value("y", ["n", 3])],
    )
    columns = (np.zeros(2), np.array([1.0, 1e300]), np.full(2, np.inf))
    with pytest.raises(PredictionError, match=r"^m\.onnx: column 'b': .*not 1e\+300"):
        ModelFile(path).load().predict(Table(("a", "b", "c"), columns))


def test_words_and_numbers_go_to_inputs_of_their_own(tmp_path):
    inputs = [value("age", ["n", 1], TensorProto.INT64), value("city", ["n"], TensorProto.STRING)]
    nodes = [
        helper.make_node("LabelEncoder", ["city"], ["code"], domain="ai.onnx.ml",
                         keys_strings=["Oslo", "7"], values_floats=[1.0, 2.0], default_float=0.0),
        helper.make_node("Cast", ["age"], ["age_f"], to=TensorProto.FLOAT),
        helper.make_node("Squeeze", ["age_f"], ["flat"]),
        helper.make_node("Add", ["code", "flat"], ["y"]),
    ]  # fmt: skip
    graph = helper.make_graph(nodes, "g", inputs, [value("y", ["n"])])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    cities = np.array(["Oslo", "Rome", 7.0], object)
    table = Table(("city", "age"), (cities, np.array([10.0, 20.0, 30.0])))
    model = ModelFile(str(tmp_path / "m.onnx")).load()
    assert model.predict(table)[:, 0].tolist() == [11.0, 20.0, 32.0]


def test_inputs_that_cannot_be_fed_together_are_listed(tmp_path):
    nodes = [helper.make_node("Sub", ["num", "cat"], ["y"])]
    inputs = [value("num", ["n", "k"]), value("cat", ["n", 4])]
    path = saved(tmp_path / "m.onnx", nodes, inputs, [value("y", ["n", 4])])
    with pytest.raises(ModelError, match=r"num \[n, n\], cat \[n, 4\]; export it with one input"):
        ModelFile(path).load()


@pytest.mark.parametrize("shape", [["n"], ["n", 1], ["n", "m"], [1, "n"], [1], [7]])
def test_texts_are_fed_in_every_shape_a_string_input_has(tmp_path, shape):
    out = [shape[0], *(["k"] if len(shape) == 2 else [])]
    nodes = [
        helper.make_node("LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml",
                         keys_strings=["good", "bad"], values_floats=[1.0, -1.0],
                         default_float=0.0),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "g", [value("x", shape, TensorProto.STRING)], [value("y", out)]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    loaded = ModelFile(str(tmp_path / "m.onnx")).load()
    loaded.input.require("text")
    assert loaded.predict(["good", "bad", "so so"])[:, 0].tolist() == [1.0, -1.0, 0.0]


@pytest.mark.parametrize("batch", ["n", 1, 7])
def test_pictures_of_bytes_are_fed_whole_numbers(tmp_path, batch):
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["y"], axes=[1, 2, 3], keepdims=0),
    ]
    inputs = [value("x", [batch, 4, 4, 3], TensorProto.UINT8)]
    path = saved(tmp_path / "m.onnx", nodes, inputs, [value("y", [batch])], opset=13)
    model = ModelFile(path).load()
    assert model.input.preprocess == "raw"
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3)).astype(np.float32)
    expected = images.mean(axis=(1, 2, 3))
    assert model.predict(images)[:, 0] == pytest.approx(expected, abs=1e-3)
    with pytest.raises(PredictionError, match=r"pixels as whole numbers \(uint8\).*--preprocess"):
        model.predict(images / 255)


def ending_in(path, operator, width, **more):
    nodes = [helper.make_node(operator, ["x"], ["z"]), helper.make_node("Identity", ["z"], ["y"])]
    return saved(path, nodes, [value("x", ["n", width])], [value("y", ["n", width])], **more)


def logits(k):
    columns = np.random.default_rng(0).normal(size=(k, 5)) * 3
    return Table(tuple("abc"[:k]), tuple(columns))


@pytest.mark.parametrize(
    ("operator", "width", "reading", "probabilities"),
    [
        ("Softmax", 3, "probabilities", True),
        ("LogSoftmax", 3, "logarithms of probabilities, undone", True),
        ("Sigmoid", 3, "a probability of its own for every label", False),
        ("Sigmoid", 1, "one probability p, read as (1 - p, p)", True),
    ],
)
def test_the_last_operator_tells_what_the_numbers_are(
    tmp_path, operator, width, reading, probabilities
):
    model = ModelFile(ending_in(tmp_path / "m.onnx", operator, width)).load()
    model.predict(logits(width))
    assert model.identity.task == "classification"
    assert (model.reading, model.probabilities) == (reading, probabilities)


def test_any_numbers_of_a_row_are_numbers_and_all_are_explained(tmp_path):
    path = ending_in(tmp_path / "m.onnx", "Neg", 3)
    model = ModelFile(path).load()
    model.predict(logits(3))
    assert (model.identity.task, model.reading) == ("regression", "numbers as they are")
    model = ModelFile(path, task="classification").load()
    model.predict(logits(3))
    assert model.reading == "scores that are not probabilities"


def test_class_names_come_from_the_metadata(tmp_path):
    path = tmp_path / "m.onnx"
    ending_in(path, "Softmax", 3)
    model = onnx.load(path)
    helper.set_model_props(model, {"names": "{0: 'cat', 1: 'dog', 2: 'cow'}"})
    onnx.save(model, path)
    assert ModelFile(str(path)).load().identity.targets == ("cat", "dog", "cow")


def test_class_names_come_from_an_output_that_lists_them(tmp_path):
    names = helper.make_tensor("c", TensorProto.STRING, [3], ["cat", "dog", "cow"])
    nodes = [
        helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
        helper.make_node("Softmax", ["x"], ["p"]),
        helper.make_node("Constant", [], ["classes"], value=names),
    ]
    outputs = [
        value("label", ["n"], TensorProto.INT64),
        value("p", ["n", 3]),
        value("classes", [3], TensorProto.STRING),
    ]
    path = saved(tmp_path / "m.onnx", nodes, [value("x", ["n", 3])], outputs)
    model = ModelFile(path).load()
    assert model.predict(logits(3)).sum(axis=1) == pytest.approx(1)
    assert model.identity.targets == ("cat", "dog", "cow")


def test_a_label_alone_is_a_vote(tmp_path):
    nodes = [helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0)]
    outputs = [value("label", ["n"], TensorProto.INT64)]
    path = tmp_path / "m.onnx"
    saved(path, nodes, [value("x", ["n", 3])], outputs)
    model = onnx.load(path)
    helper.set_model_props(model, {"classes": '["0", "1", "2"]'})
    onnx.save(model, path)
    table = logits(3)
    loaded = ModelFile(str(path)).load()
    expected = np.stack(table.columns, axis=1).argmax(axis=1)
    assert np.array_equal(loaded.predict(table).argmax(axis=1), expected)
    assert [one.code for one in loaded.warnings] == ["coarse_output"]


def test_a_graph_that_depends_on_its_batch_is_asked_row_by_row(tmp_path):
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    path = saved(tmp_path / "m.onnx", nodes, [value("x", ["n", 1])], [value("y", ["n", 1])])
    model = ModelFile(path).load()
    table = Table(("x",), (np.array([0.1234, 55.0, 1000.0]),))
    assert model.predict(table)[:, 0] == pytest.approx(table.columns[0], rel=1e-6)
    assert [one.code for one in model.warnings] == ["batch_dependent"]


def tokenizer(path, **more):
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3, "film": 4}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(path))
    return str(path)


def token_model(path, length="length", names=("input_ids", "attention_mask")):
    """A graph that answers the mean id of a text's words, padding masked."""
    whole = TensorProto.INT64
    nodes = [
        helper.make_node("Mul", [names[0], names[-1]], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axis"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", [names[-1], "axis"], ["count"], keepdims=0),
        helper.make_node("Cast", ["total"], ["t"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["count"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["t", "c"], ["y"]),
    ]
    axis = numpy_helper.from_array(np.array([1]), "axis")
    inputs = [value(name, ["n", length], whole) for name in names]
    return saved(path, nodes, inputs, [value("y", ["n"])], [axis])


@pytest.mark.parametrize("length", ["length", 6])
def test_texts_become_token_ids_by_their_tokenizer(tmp_path, length):
    words = tokenizer(tmp_path / "tokenizer.json")
    model = ModelFile(token_model(tmp_path / "m.onnx", length), tokenizer=words).load()
    model.input.require("text")
    texts = ["good film", "bad", "bad film good film", "film film " * 9]
    assert model.predict(texts)[:, 0] == pytest.approx([3, 3, 3.25, 4])
    assert [one.code for one in model.warnings] == ["activation_assumed"]


@pytest.mark.parametrize("name", ["input_ids", "text", "sentence", "x", "input"])
@pytest.mark.parametrize("called", ["tokenizer.json", "vocab.json", "words.json"])
def test_whole_numbers_are_token_ids_whatever_they_and_the_tokenizer_are_called(
    tmp_path, name, called
):
    graph = token_model(tmp_path / "m.onnx", names=(name, "mask"))
    for folder in ("other", "own", "empty"):
        (tmp_path / folder).mkdir()
    words = tokenizer(tmp_path / "other" / called)
    model = ModelFile(graph, tokenizer=words).load()
    model.input.require("text")
    assert model.predict(["good film", "bad bad bad film"])[:, 0] == pytest.approx([3, 3.25])
    own = tmp_path / "own" / called
    own.write_text('{"good": 0, "model": 1}')  # of a program of one's own
    with pytest.raises(SettingsError, match=f"{called} does not say .*py:module:function"):
        ModelFile(graph, tokenizer=str(own)).load()
    with pytest.raises(SettingsError, match=r"empty holds no tokenizer: .*py:module:function"):
        ModelFile(graph, tokenizer=str(tmp_path / "empty")).load()
    with pytest.raises(SettingsError, match="takes token ids; name its tokenizer"):
        ModelFile(graph, max_tokens=8).load()


@pytest.mark.parametrize("name", ["input_ids", "text"])
@pytest.mark.parametrize("given", [{"tokenizer": "t.json"}, {"max_tokens": 8}])
def test_token_ids_of_all_texts_in_one_row_ask_for_a_function(tmp_path, name, given):
    """As of a bag of embeddings, with offsets."""
    tokenizer(tmp_path / "t.json")
    node = helper.make_node("Concat", [name, "offsets"], ["y"], axis=0)
    inputs = [value(one, ["n"], TensorProto.INT64) for one in (name, "offsets")]
    ends = [value("y", ["n"], TensorProto.INT64)]
    path = saved(tmp_path / "m.onnx", [node], inputs, ends)
    if "tokenizer" in given:
        given = {"tokenizer": str(tmp_path / "t.json")}
    with pytest.raises(SettingsError, match=rf"does not fill .*: {name} \[n\], .*py:module"):
        ModelFile(path, **given).load()


@pytest.mark.parametrize("rule", ["(a|a)+$", "(a|aa)+$"])
def test_a_tokenizer_that_gives_up_is_one_line(tmp_path, rule, capfd):
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    pattern = tokenizers.Regex(rule)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(pattern, "isolated")
    made.save(str(tmp_path / "tokenizer.json"))
    words = str(tmp_path / "tokenizer.json")
    model = ModelFile(token_model(tmp_path / "m.onnx", "length"), tokenizer=words).load()
    with pytest.raises(PredictionError, match=r"tokenizer: gives up on a text .*PanicException"):
        model.predict(["a" * 60 + "\x1b[31mc", "a" * 60 + "c"])
    assert capfd.readouterr().err == ""


def test_token_ids_ask_for_a_tokenizer_and_it_for_its_inputs(tmp_path):
    path = token_model(tmp_path / "m.onnx")
    with pytest.raises(SettingsError, match="takes token ids; name its tokenizer"):
        ModelFile(path).load()
    words = tokenizer(tmp_path / "tokenizer.json")
    other = token_model(tmp_path / "o.onnx", names=("input_ids", "speaker"))
    with pytest.raises(ModelError, match="does not fill its input 'speaker'"):
        ModelFile(other, tokenizer=words).load()
    for written, said in (
        ("{}", r"is not a tokenizer\.json"),
        (
            '{"class_name": "Tokenizer", "config": {}}',
            "is a tokenizer of Keras.*explain a function",
        ),
    ):
        (tmp_path / "bad.json").write_text(written)
        with pytest.raises(InputError, match=rf"bad\.json: {said}"):
            ModelFile(path, tokenizer=str(tmp_path / "bad.json")).load()
    with pytest.raises(InputError, match="no such file"):
        ModelFile(path, tokenizer=str(tmp_path / "none.json")).load()


def test_a_graphics_card_that_is_not_there_is_refused(tmp_path):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this runtime has one")
    path = mean_model(tmp_path / "m.onnx", ["n", 3, 4, 4])
    with pytest.raises(SettingsError, match=r"--provider cuda: .*pip install onnxruntime-gpu"):
        ModelFile(path, provider="cuda").load()


@pytest.mark.parametrize("method", ["xx_XX.UTF-8", "en_XX", None])
def test_a_locale_that_is_missing_gives_way_to_one_that_is_there(tmp_path, method):
    words = {} if method is None else {"locale": method}
    nodes = [
        helper.make_node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER",
                         stopwords=["the"], is_case_sensitive=0, **words),
        helper.make_node("Equal", ["y", "word"], ["same"]),
        helper.make_node("Cast", ["same"], ["z"], to=TensorProto.FLOAT),
    ]  # fmt: skip
    path = saved(
        tmp_path / "m.onnx",
        nodes,
        [value("x", ["n"], TensorProto.STRING)],
        [value("z", ["n"])],
        [helper.make_tensor("word", TensorProto.STRING, [1], ["été".encode()])],
        opset=19,
    )
    model = ModelFile(path).load()
    found = [model.predict([text]).ravel().tolist() for text in ("ÉTÉ", "été", "the été"[4:], "no")]
    assert found == [[1.0], [1.0], [1.0], [0.0]]
    codes = [one.code for one in model.warnings]
    if method is not None:
        assert codes == ["locale"]
        assert method in model.warnings[0].message


def test_text_pipelines_of_skl2onnx_need_no_locale(tmp_path):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = ["A good film", "GOOD film", "a bad film", "the BAD one", "Good", "bad"]
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 1, 0, 0, 1, 0])
    made = to_onnx(
        fitted, initial_types=[("text", StringTensorType([None]))], target_opset=15,
        options={"zipmap": False},
    )  # fmt: skip
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    found = ModelFile(str(tmp_path / "m.onnx")).load().predict(texts)
    assert found == pytest.approx(fitted.predict_proba(texts), abs=1e-5)


def test_a_rewritten_graph_is_the_same_but_for_the_locale(samples):
    from lime_cli.models.onnx.graph import mapped
    from lime_cli.models.onnx.runtime import with_locale

    before = onnx.load(samples / "reviews.onnx")
    after = onnx.load_from_string(with_locale(mapped(samples / "reviews.onnx")))
    for model in (before, after):
        for node in model.graph.node:
            if node.op_type == "StringNormalizer":
                kept = [one for one in node.attribute if one.name != "locale"]
                del node.attribute[:]
                node.attribute.extend(kept)
    assert before == after
    scenes = samples / "scenes.onnx"
    assert onnx.load(scenes) == onnx.load_from_string(with_locale(mapped(scenes)))


def spelled(number, kind, content):
    """Write one field of a message as protobuf does."""
    key = bytes([number << 3 | kind])
    return key + bytes([len(content)]) + content if kind == 2 else key + content


ITEMS = {
    "numbers": spelled(8, 0, b"\xff\xff\x01"),
    "negative numbers": spelled(8, 0, b"\xff" * 9 + b"\x01"),
    "floats": spelled(7, 5, b"JJJJ"),
    "words": spelled(9, 2, b"BRANCH_LEQ"),
    "no words": spelled(9, 2, b""),
    "long words": spelled(9, 2, b"w" * 100),
}


@pytest.mark.parametrize("items", ITEMS.values(), ids=ITEMS)
@pytest.mark.parametrize("n", [0, 1, 999, 1000, 1001, 20_000])
def test_an_operator_inside_of_an_attribute_is_found_whatever_long_list_is_around_it(items, n):
    node = helper.make_node("Spy", ["x"], ["y"], domain="evil")
    body = helper.make_graph([node], "body", [], [])
    inner = onnx.AttributeProto(name="body", g=body, type=onnx.AttributeProto.GRAPH)
    around = n * items
    attribute = around + inner.SerializeToString() + around
    found = Graph()
    _attribute(memoryview(attribute), found)
    assert found.domains == {"evil"}
    with pytest.raises((ValueError, IndexError)):
        _attribute(memoryview(attribute + items[:-1] if len(items) > 2 else items[:1]), found)


def test_the_classes_of_a_forest_are_read_among_its_nodes(tmp_path):
    many, domain = list(range(10_000)), "ai.onnx.ml"
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "scores"],
        domain=domain,
        nodes_treeids=many,
        nodes_values=[0.5] * len(many),
        nodes_modes=["BRANCH_LEQ"] * len(many),
        classlabels_int64s=[7, 8, -9],
    )
    outputs = [value("label", ["n"], TensorProto.INT64), value("scores", ["n", 3])]
    saved(tmp_path / "m.onnx", [node], [value("x", ["n", 1])], outputs, domains=[domain])
    graph = read_graph(tmp_path / "m.onnx")
    assert graph.classes == ("7", "8", "-9")
    assert graph.domains == {domain}


def with_label(path, features, kind, label, words=("no", "yes"), first=1, apart=True):
    """A graph as ML.NET exports it: the column of labels is an input, and an output."""
    numbers = numpy_helper.from_array(np.array([[2.0, -1.0]], np.float32), "w")
    text = kind == TensorProto.STRING
    coded = {"keys_strings": ["good", "bad"], "values_floats": [1.0, -1.0]}
    axes = list(range(1, len(features)))
    begin = [
        helper.make_node("ReduceMean", ["in"], ["r"], axes=axes),
        helper.make_node("Flatten", ["r"], ["n"]),
    ]
    if text:
        begin = [helper.make_node("LabelEncoder", ["in"], ["n"], domain="ai.onnx.ml", **coded)]
    made = "n" if apart else "m"
    nodes = [
        *begin,
        *([] if apart else [helper.make_node("Add", ["n", "Label"], ["m"])]),
        helper.make_node("MatMul", [made, "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["Score.output"], axis=1),
        helper.make_node("ArgMax", ["Score.output"], ["i"], axis=1, keepdims=0),
        helper.make_node("Add", ["i", "one"], ["key"]),
        helper.make_node("LabelEncoder", ["key"], ["PredictedLabel.output"], domain="ai.onnx.ml",
                         keys_int64s=[first, first + 1], values_strings=list(words)),
        helper.make_node("Identity", ["Label"], ["Label.output"]),
        helper.make_node("Identity", ["in"], ["in.output"]),
    ]  # fmt: skip
    one = numpy_helper.from_array(np.array(first, np.int64), "one")
    inputs = [value("Label", [-1, 1], label), value("in", features, kind)]
    outputs = [
        value("Label.output", [-1, 1], label), value("in.output", features, kind),
        value("PredictedLabel.output", [-1], TensorProto.STRING), value("Score.output", [-1, 2]),
    ]  # fmt: skip
    for port in (*inputs, *outputs):
        axis = port.type.tensor_type.shape.dim[0]
        axis.dim_param = "None"
    return saved(
        path, nodes, inputs, outputs, [numbers, one], opset=13, domains=["ai.onnx.ml"], version=3
    )


LABEL_KINDS = (
    TensorProto.STRING, TensorProto.BOOL, TensorProto.FLOAT, TensorProto.UINT32, TensorProto.INT64,
)  # fmt: skip


@pytest.mark.parametrize("label", LABEL_KINDS)
@pytest.mark.parametrize("first", [0, 1])
def test_a_column_of_labels_that_no_prediction_depends_on_is_left_empty(tmp_path, label, first):
    path = with_label(tmp_path / "m.onnx", [-1, 1], TensorProto.STRING, label, first=first)
    model = ModelFile(path).load()
    e, f = np.exp([2.0, -1.0]), np.exp([-2.0, 1.0])
    assert model.predict(["good", "bad"]) == pytest.approx(np.array([e / e.sum(), f / f.sum()]))
    assert model.identity.targets == ("no", "yes")
    assert ("input_left_empty", "'Label'") in [
        (w.code, w.message.split()[1]) for w in model.warnings
    ]
    assert model.input.kind is None
    assert len(model.warnings) == 1


def test_an_image_beside_a_column_of_labels_is_an_image(tmp_path):
    path = with_label(tmp_path / "m.onnx", [-1, 3, 8, 9], TensorProto.FLOAT, TensorProto.STRING)
    model = ModelFile(path).load()
    e = np.exp([2 * 0.5, -0.5])
    assert (model.input.kind, model.input.size) == ("image", (8, 9))
    assert model.predict(np.full((1, 8, 9, 3), 0.5, np.float32))[0] == pytest.approx(e / e.sum())


def test_an_input_that_a_prediction_depends_on_is_never_left_empty(tmp_path):
    kinds = TensorProto.FLOAT, TensorProto.FLOAT
    path = with_label(tmp_path / "m.onnx", [-1, 3, 8, 9], *kinds, apart=False)
    with pytest.raises(ModelError, match=r"cannot feed its inputs together"):
        ModelFile(path).load()


@pytest.mark.parametrize(("kind", "zero"), [(np.uint8, 0), (np.uint8, 3), (np.int8, -128)])
def test_scores_in_small_whole_numbers_are_what_the_graph_says_they_stand_for(tmp_path, kind, zero):
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"], axis=1),
        helper.make_node("QuantizeLinear", ["p", "s", "z"], ["scores"]),
    ]
    step = numpy_helper.from_array(np.float32(1 / 256), "s")
    weights = [step, numpy_helper.from_array(kind(zero), "z")]
    number = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}[kind]
    path = saved(
        tmp_path / "m.onnx",
        nodes,
        [value("x", ["n", 3])],
        [value("scores", ["n", 3], number)],
        weights,
    )
    x = np.array([[0.2, 1.5, -1.0]], np.float32)
    e = np.exp(x) / np.exp(x).sum()
    model = ModelFile(path, task="classification").load()
    found = model.predict(Table(("a", "b", "c"), tuple(x.T)))
    assert found == pytest.approx(np.rint(e * 256) / 256, abs=1e-7)
