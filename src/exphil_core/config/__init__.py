"""Settings of a training run: their schema, their presets, and where each value came from."""
