"""Playing: what live sources of frames deliver, brought to the form that models are trained on."""
