"""The searches by scikit-learn's own checks of an estimator, on a real server: `make test-sklearn`."""

import pytest

from perceptune import PerceptuneRegressionSearchCV, PerceptuneSearchCV

pytestmark = pytest.mark.sklearn

SPACE = {"hidden_units": 16, "learning_rate": 0.03, "optimizer": "adam", "batch_size": 16, "epochs": 15}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("search", [PerceptuneSearchCV, PerceptuneRegressionSearchCV])
def test_it_is_an_estimator_by_all_checks(
    trained_server: str, search: type[PerceptuneSearchCV | PerceptuneRegressionSearchCV]
) -> None:
    """None fails; the one that is left out wants arrays of other libraries than NumPy, and those not installed."""
    from sklearn.utils.estimator_checks import check_estimator  # takes a second, also where the test is left out

    results = check_estimator(search(SPACE, n_trials=1, url=trained_server), on_fail=None, on_skip=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"} == {}
    skipped = [result["check_name"] for result in results if result["status"] == "skipped"]
    assert skipped == ["check_array_api_input"]
    assert len(results) > 50
