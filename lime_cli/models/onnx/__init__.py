"""ONNX models through onnxruntime: checked by a walk of the graph before the runtime sees them.

Building a session takes its time, and needs no Python: what reads its answers is imported
meanwhile. The digest of the file waits until then, as the session takes all the cores there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lime_cli.errors import ModelError
from lime_cli.files import InThread
from lime_cli.models.onnx.graph import check_graph, read_graph

if TYPE_CHECKING:
    from lime_cli.models.content import Content
    from lime_cli.models.model_file import ModelFile
    from lime_cli.models.predictor import Predictor


def load(file: ModelFile, content: Content) -> Predictor:
    """Load the file; raise ModelError, or UntrustedModel for what reaches outside its folder."""
    path, data = content.path, content.read()
    graph = read_graph(path, data)
    weights = check_graph(path, graph)
    from lime_cli.models.onnx.runtime import check_version, opened  # brings onnxruntime

    if weights:
        check_version(path)
    built = InThread(lambda: opened(file, path, data))
    from lime_cli.models.onnx.session import Session, predictor_of  # brings what reads its answers

    session, warnings = built.result()
    if check_graph(path, graph) != weights:
        raise ModelError(f"{path.name}: its weights changed while they were read", "run it again")
    return predictor_of(content, Session(file, session, graph), warnings)
