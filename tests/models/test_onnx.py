"""ONNX models: inputs of every kind, fixed and free batches, and what is refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lime_cli.errors import ModelError, PredictionError, SettingsError, UntrustedModel
from lime_cli.modalities.tables import Table
from lime_cli.models import ModelFile


def saved(path, nodes, inputs, outputs, weights=(), opset=17, domains=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return str(path)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def mean_model(path, shape, kind=TensorProto.FLOAT, axes=(1, 2, 3)):
    """A graph that answers the mean of a picture, as one number."""
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=list(axes), keepdims=0)
    return saved(path, [node], [value("x", shape, kind)], [value("y", [shape[0]], kind)], opset=13)


@pytest.mark.parametrize(
    ("shape", "size", "channels", "layout"),
    [
        (["n", 3, 8, 9], (8, 9), 3, "NCHW"),
        (["n", 8, 9, 3], (8, 9), 3, "NHWC"),
        ([1, 1, 8, 8], (8, 8), 1, "NCHW"),
        (["n", 3, "h", "w"], None, 3, "NCHW"),
    ],
)
def test_size_channels_and_layout_are_read_from_the_graph(tmp_path, shape, size, channels, layout):
    found = ModelFile(mean_model(tmp_path / "m.onnx", shape)).load().input
    assert (found.size, found.channels, found.layout) == (size, channels, layout)


def test_a_layout_that_the_shape_does_not_tell_is_asked_for(tmp_path):
    path = mean_model(tmp_path / "m.onnx", ["n", 3, 8, 3])
    with pytest.raises(SettingsError, match="--layout NCHW"):
        ModelFile(path).load()
    assert ModelFile(path, layout="NHWC").load().input.size == (3, 8)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_pictures_are_cast_and_fed_in_the_graph_s_batches(tmp_path, kind, batch):
    model = ModelFile(mean_model(tmp_path / "m.onnx", [batch, 3, 4, 4], kind)).load()
    pictures = np.random.default_rng(0).random((7, 4, 4, 3)).astype(np.float32)
    expected = pictures.mean(axis=(1, 2, 3))
    assert model.predict(pictures)[:, 0] == pytest.approx(expected, abs=2e-3)


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


def test_inputs_of_another_size_are_refused_in_words(tmp_path):
    model = ModelFile(mean_model(tmp_path / "m.onnx", ["n", 3, 4, 4])).load()
    with pytest.raises(PredictionError, match=r"m\.onnx: the model failed on its input"):
        model.predict(np.zeros((1, 5, 5, 3), np.float32))


def test_the_model_is_loaded_once_per_process(samples):
    file = ModelFile(str(samples / "scenes.onnx"))
    assert file.load() is file.load()


def test_onnx_and_its_checker_agree_that_the_test_models_are_valid(tmp_path):
    onnx.checker.check_model(onnx.load(mean_model(tmp_path / "m.onnx", ["n", 3, 4, 4])))
