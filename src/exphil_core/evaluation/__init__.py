"""What a trained policy is worth on games that it has not seen."""
