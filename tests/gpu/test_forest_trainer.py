import polars as pl
import pytest

from fraud_assets import modelling
from gpu_ops.anomaly import fit_forest
from gpu_ops.engine import EngineUnavailableError, gpu_available
from resources.settings import Settings

FEATURES = pl.DataFrame({"amount": [1.0, 2.0, 3.0, 50.0] * 70, "hour": [1.0, 2.0, 3.0, 4.0] * 70})


def test_scikit_learn_fits_unless_asked_otherwise() -> None:
    settings = Settings(forest_rows=256, seed=3)
    expected = fit_forest(FEATURES.head(256), ["amount", "hour"], seed=3)
    assert modelling.fitted_forest(FEATURES, settings).to_bytes() == expected.to_bytes()


@pytest.mark.skipif(gpu_available(), reason="a GPU is here, so cuML would fit")
def test_cuml_is_asked_for_and_says_that_there_is_no_gpu() -> None:
    with pytest.raises(EngineUnavailableError):
        modelling.fitted_forest(FEATURES, Settings(forest_trainer="cuml"))
