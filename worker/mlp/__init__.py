"""Multilayer perceptrons on tensors: trains many at once, each with the numbers that it has alone.

Shapes stand behind the tensors, in the signature and at the end of the lines that make them: `runs`, `features`,
`classes` and `batch` are those of a group of runs, `inputs` and `outputs` the widths around one linear layer, `units`
the outputs of a hidden layer, `n` a number of examples. Numbers are float32, or what the caller's data are, where no
other dtype is named. "D2L" is Dive into Deep Learning, with the section.
"""
