"""Many networks trained as one: few large operations in place of many small ones, without padding.

Runs with the same mini-batches are sorted so that equal layers are neighbours (`layout`). Their first layers stand one
below the other as one matrix, [first rows, features], where the first rows are the outputs of all runs' first layers;
each later layer of equal runs is a block [runs, outputs, inputs]. In a shape of a block, `runs` are the runs of that
block. Activations are [..., outputs, batch], examples last: a run's numbers lie side by side.

Parameters of the first layer are passed as block None, those of a later layer by the block's index.
"""
