"""From one variant of a model to another: export and quantization."""
