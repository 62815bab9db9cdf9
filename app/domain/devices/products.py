"""Products: with how many digits of their factors the networks of a sweep are trained, by all its workers alike."""

from typing import Literal, get_args

# Sums are float32 in all of them. Of a factor float32 has 24 bits of mantissa, TF32 11 and bfloat16 8.
Products = Literal["float32", "TF32", "bfloat16"]

PRODUCTS: tuple[Products, ...] = get_args(Products)
EXACT: Products = "float32"
PRODUCTS_SETTINGS: dict[Products, str] = {"TF32": "PERCEPTUNE_TF32", "bfloat16": "PERCEPTUNE_BF16"}
