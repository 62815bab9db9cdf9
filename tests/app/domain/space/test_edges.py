"""Where a configuration lies at the edge of its space, and what would be beyond."""

from typing import Any

import pytest

from app.domain.hyperparameters import HYPERPARAMETERS
from app.domain.space import parse_space
from app.domain.space.edges import Edge, edges, widened

LOG = {"low": 0.001, "high": 1.0, "log": True}


@pytest.mark.parametrize(
    ("name", "raw", "value", "edge"),
    [
        ("learning_rate", LOG, 0.95, Edge("learning_rate", 0.95, True, 10.0)),
        ("learning_rate", LOG, 0.001, Edge("learning_rate", 0.001, False, 0.0001)),
        ("learning_rate", LOG, 0.1, None),
        ("batch_size", [32, 64, 128], 32, Edge("batch_size", 32, False, 16)),
        ("batch_size", [32, 64, 128], 64, None),
        ("batch_size", [32, 64], 32, None),  # of two each is an edge
        ("hidden_units", [1, 2, 3], 1, None),  # there is nothing below
        ("hidden_units", {"low": 4, "high": 48}, 47, Edge("hidden_units", 47, True, 70)),
        ("hidden_units", {"low": 8, "high": 64, "step": 8}, 64, Edge("hidden_units", 64, True, 88)),
        ("dropout", [0.0, 0.1, 0.2], 0.2, Edge("dropout", 0.2, True, 0.3)),
        ("dropout", [0.0, 0.1, 0.2], 0.0, None),
        ("momentum", {"low": 0.0, "high": 1.0}, 1.0, None),
        ("activation", ["relu", "tanh", "gelu"], "gelu", None),
        ("learning_rate", {**LOG, "when": {"depth": 2}}, 0.99, Edge("learning_rate", 0.99, True, 10.0)),
    ],
)
def test_an_edge_is_where_there_is_no_neighbour(name: str, raw: Any, value: object, edge: Edge | None) -> None:
    """Of numbers that could go on; the wider space is one that can be posted, and has its edge further out."""
    posted = {name: raw, "depth": [1, 2]} if name != "depth" else {name: raw}
    space = parse_space(posted, "train_mlp")
    assert edges(space, {name: value}, HYPERPARAMETERS) == ([edge] if edge else [])
    if edge:
        wider = parse_space({**posted, name: widened(raw, edge)}, "train_mlp")
        assert edges(wider, {name: value}, HYPERPARAMETERS) == [] or edge.value != value
