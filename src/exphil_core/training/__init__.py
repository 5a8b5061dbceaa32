"""From games to a trained, registered model."""
