"""Hundreds of networks on one GPU, fused and in every other way, and what else a card shows."""
