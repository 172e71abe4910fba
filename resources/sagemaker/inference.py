"""How a container scores rows: the four functions that SageMaker's toolkits call handlers.

Rows come as Parquet or as JSON (`{"instances": [{"feature": 1.0, ...}, ...]}` or the bare list)
with the features of the model, and `transaction_id` if the answer shall repeat it. The answer has
a row for each, in order: anomaly, margin, probability.
"""

import io
import json
from pathlib import Path
from typing import Final

import polars as pl

from gpu_ops.matrices import IDENTIFIERS, FeatureMismatchError
from resources.sagemaker.archive import PackedModel, read_folder
from resources.sagemaker.requests import JSON, PARQUET

ID: Final = "transaction_id"


class BadRowsError(ValueError):
    """The rows cannot be read or scored; the message holds none of their values."""


class ContentTypeError(ValueError):
    """A content type that is not spoken here."""


def model_fn(model_dir: str) -> PackedModel:
    """The model in a folder.

    Raises:
        ModelFileError: A file is absent or not what the card names.
    """
    return PackedModel.of(read_folder(Path(model_dir)))


def input_fn(body: bytes, content_type: str) -> pl.DataFrame:
    """The rows of a request.

    Raises:
        ContentTypeError: It is neither Parquet nor JSON.
        BadRowsError: It cannot be read.
    """
    kind = content_type.split(";", 1)[0].strip().lower()
    try:
        if kind == PARQUET:
            return pl.read_parquet(io.BytesIO(body))
        if kind == JSON:
            return _table(json.loads(body))
    except (pl.exceptions.PolarsError, OSError, ValueError, TypeError) as error:
        raise BadRowsError(f"the rows cannot be read as {kind}") from error
    raise ContentTypeError(f"send {PARQUET} or {JSON}, not {kind or 'nothing'}")


def predict_fn(rows: pl.DataFrame, model: PackedModel) -> pl.DataFrame:
    """The scores of rows: transaction_id if given, anomaly, margin, probability.

    Raises:
        BadRowsError: The columns are not those of the model, or a value is infinite or no number.
    """
    features = rows.drop(IDENTIFIERS, strict=False)
    try:
        scores = model.score(features)
    except FeatureMismatchError as error:
        raise BadRowsError(str(error)) from error
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise BadRowsError("a feature is infinite or no number") from error
    ids = {ID: rows[ID]} if ID in rows.columns else {}
    return pl.DataFrame({**ids, **scores._asdict()})


def output_fn(scored: pl.DataFrame, accept: str) -> tuple[bytes, str]:
    """The answer and its content type: Parquet where it is asked for, else JSON.

    Raises:
        ContentTypeError: Neither is accepted.
    """
    kinds = [one.split(";", 1)[0].strip().lower() for one in accept.split(",")]
    if PARQUET in kinds:
        body = io.BytesIO()
        scored.write_parquet(body)
        return body.getvalue(), PARQUET
    if {JSON, "*/*", "application/*", ""} & set(kinds):
        return json.dumps({"predictions": scored.to_dicts()}).encode(), JSON
    raise ContentTypeError(f"answers are {PARQUET} or {JSON}")


def _table(given: object) -> pl.DataFrame:
    rows = given.get("instances") if isinstance(given, dict) else given
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError("a list of objects is expected")
    return pl.DataFrame(rows, infer_schema_length=None)
