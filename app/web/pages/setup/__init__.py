"""The setup of a sweep as text to take along: the body that makes an equal one, and three ways to post it."""
