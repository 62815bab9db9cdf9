"""The calls about who may call."""
