"""Fused training alone: how quick it is, and how good the networks are that come of it."""
