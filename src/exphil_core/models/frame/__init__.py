"""One frame of play on the CPU: what the policy's modules compute, in fewer and cheaper operations."""
