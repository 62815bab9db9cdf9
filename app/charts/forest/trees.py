"""Regression trees over bins, all grown at once, level by level; each leaf is a box of bins with a value."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.charts.forest.bins import Floats, Integers

MAX_DEPTH = 7
LEAST_LEAF = 3  # trials


class Split(NamedTuple):
    """What one level asks at each of its nodes. Arrays are (trees, nodes)."""

    feature: Integers
    last_bin: Integers  # the last one that goes to the left; beyond all bins where nothing is split


@dataclass(frozen=True)
class Forest:
    """Trees over the same features."""

    levels: list[Split]
    first_bins: Integers  # (trees, leaves, features): where each leaf's box begins
    last_bins: Integers  # and ends
    values: Floats  # (trees, leaves)

    def predict(self, bins: Integers) -> Floats:
        """Each tree's value for each row of bins (rows, features), as (trees, rows)."""
        trees = np.arange(len(self.values))[:, None]
        # flat places, as indexing by row and column takes twice as long
        begins = np.arange(len(bins)) * bins.shape[1]
        node = np.zeros((len(self.values), len(bins)), dtype=np.int64)
        for split in self.levels:
            place = trees * split.feature.shape[1] + node
            is_right = bins.take(begins + split.feature.take(place)) > split.last_bin.take(place)
            node = 2 * node + is_right
        return np.asarray(self.values.take(trees * self.values.shape[1] + node))

    def volumes(self, masses: list[Floats]) -> Floats:
        """The share of the search space that each leaf's box spans in each feature, (trees, leaves, features)."""
        spans = []
        for feature, mass in enumerate(masses):
            sums = np.concatenate([[0.0], np.cumsum(mass)])
            begin, end = self.first_bins[..., feature], self.last_bins[..., feature] + 1
            spans.append(sums[np.minimum(end, len(mass))] - sums[np.minimum(begin, len(mass))])
        return np.asarray(np.maximum(np.stack(spans, axis=-1), 0.0))


def grow(bins: Integers, values: Floats, samples: Integers, count: int) -> Forest:
    """A tree for each row of samples (trees, draws), which are indices of bins (trials, features) and values.

    `count` is the largest number of bins of a feature.
    """
    tree_count, feature_count = len(samples), bins.shape[1]
    sample_bins, sample_values = bins[samples], values[samples]
    sample_values = sample_values - values.mean()
    node = np.zeros(samples.shape, dtype=np.int64)
    first = np.zeros((tree_count, 1, feature_count), dtype=np.int64)
    last = np.full((tree_count, 1, feature_count), count - 1, dtype=np.int64)
    levels = []
    for _ in range(_depth(samples.shape[1])):
        split = _best_splits(sample_bins, sample_values, node, first.shape[1], count)
        levels.append(split)
        first, last = _halves(split, first, last)
        trees = np.arange(tree_count)[:, None]
        feature, last_bin = split.feature[trees, node], split.last_bin[trees, node]
        node = 2 * node + (np.take_along_axis(sample_bins, feature[..., None], axis=2)[..., 0] > last_bin)
    return Forest(levels, first, last, _leaf_means(sample_values, node, first.shape[1]) + values.mean())


def _depth(trials: int) -> int:
    """With so many levels most leaves have a few trials."""
    return min(MAX_DEPTH, math.ceil(math.log2(max(trials / LEAST_LEAF, 2))))


def _best_splits(sample_bins: Integers, sample_values: Floats, node: Integers, nodes: int, count: int) -> Split:
    """At each node the split that lessens the squared error most, where both sides have trials enough."""
    trees, draws, features = sample_bins.shape
    cell = (np.arange(trees)[:, None] * nodes + node)[..., None] * features + np.arange(features)
    cell = (cell * count + sample_bins).ravel()
    shape = (trees, nodes, features, count)
    size = int(np.prod(shape))
    numbers = np.bincount(cell, minlength=size).reshape(shape).cumsum(axis=-1)
    weights = np.broadcast_to(sample_values[..., None], (trees, draws, features)).ravel()
    sums = np.bincount(cell, weights=weights, minlength=size).reshape(shape).cumsum(axis=-1)
    left_count, right_count = numbers[..., :-1], numbers[..., -1:] - numbers[..., :-1]
    left_sum, right_sum = sums[..., :-1], sums[..., -1:] - sums[..., :-1]
    whole = sums[..., -1:] ** 2 / np.maximum(numbers[..., -1:], 1)
    gain = left_sum**2 / np.maximum(left_count, 1) + right_sum**2 / np.maximum(right_count, 1) - whole
    gain[(left_count < LEAST_LEAF) | (right_count < LEAST_LEAF)] = 0.0
    flat = gain.reshape(trees, nodes, -1)
    choice = flat.argmax(axis=-1)
    splits = np.take_along_axis(flat, choice[..., None], axis=-1)[..., 0] > 1e-12
    return Split(choice // (count - 1), np.where(splits, choice % (count - 1), count))


def _halves(split: Split, first: Integers, last: Integers) -> tuple[Integers, Integers]:
    """The boxes of the children; the right one of a node that is not split is empty."""
    trees, nodes, features = first.shape
    is_split_feature = split.feature[..., None] == np.arange(features)
    border = split.last_bin[..., None]
    left_last = np.where(is_split_feature, np.minimum(last, border), last)
    right_first = np.where(is_split_feature, np.maximum(first, border + 1), first)
    new_first = np.stack([first, right_first], axis=2).reshape(trees, 2 * nodes, features)
    new_last = np.stack([left_last, last], axis=2).reshape(trees, 2 * nodes, features)
    return np.minimum(new_first, new_last + 1), new_last


def _leaf_means(sample_values: Floats, node: Integers, leaves: int) -> Floats:
    trees = len(node)
    cell = (np.arange(trees)[:, None] * leaves + node).ravel()
    sums = np.bincount(cell, weights=sample_values.ravel(), minlength=trees * leaves)
    numbers = np.bincount(cell, minlength=trees * leaves)
    return (sums / np.maximum(numbers, 1)).reshape(trees, leaves)
