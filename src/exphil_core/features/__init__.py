"""What a model sees of a frame: the observation schema, its encoder, and character features."""
