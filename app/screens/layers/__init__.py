"""Where the error is, layer by layer."""
