"""Models: a victim opened from any source, its families, its weights and how it reads texts."""
