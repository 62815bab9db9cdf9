"""The tasks that time something, a module for each, and what times their trials one after another."""
