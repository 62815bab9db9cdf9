"""Searches like those of scikit-learn, which has to be installed, that train on the server"""

from perceptune.search_cv.estimator import DEFAULT_SPACE, PerceptuneRegressionSearchCV, PerceptuneSearchCV

__all__ = ["DEFAULT_SPACE", "PerceptuneRegressionSearchCV", "PerceptuneSearchCV"]
