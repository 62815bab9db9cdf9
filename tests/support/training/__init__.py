"""The numeric core's examples: data, networks and learning curves, and a stand-in for a GPU."""
