"""The same networks one at a time, by automatic differentiation: what the fused ones are proven against."""
