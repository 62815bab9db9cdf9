"""The exercises of the book that Perceptune can run and answer, a module for each."""
