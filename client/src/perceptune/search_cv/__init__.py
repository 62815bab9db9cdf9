"""A search like those of scikit-learn, which has to be installed, that trains on the server"""

from perceptune.search_cv.estimator import DEFAULT_SPACE, PerceptuneSearchCV

__all__ = ["DEFAULT_SPACE", "PerceptuneSearchCV"]
