"""What answers are made of: findings, the levels that they compare, and the words for both."""
