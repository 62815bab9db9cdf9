"""The data sets as tensors: found or downloaded, checked, split and moved to a device."""
