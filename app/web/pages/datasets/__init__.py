"""The pages of the data sets: what there is, and how a file becomes one."""
