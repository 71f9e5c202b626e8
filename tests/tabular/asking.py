"""What a model of a file answers to all rows of a table, as limex reads and hands them over."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lime_cli.models.model_file import ModelFile
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.row import Table


def answers(
    tmp_path: Path, table: pd.DataFrame, model: Any, **options: Any
) -> tuple[np.ndarray, TabularModality]:
    path, where = tmp_path / "d.csv", tmp_path / "m.pkl"
    table.to_csv(path, index=False)
    where.write_bytes(pickle.dumps(model))
    loaded = ModelFile(str(where)).load()
    fitted = TabularModality(str(path), **options).fitted(loaded.asked)
    rows = [fitted.read(source) for source in fitted.sources()]
    inputs = [one.model_inputs(np.zeros((1, len(one.components)), np.int32)) for one in rows]
    return loaded.predict(Table.joined(inputs)), fitted
