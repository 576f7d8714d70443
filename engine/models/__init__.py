"""Models: a victim opened from any source, its architecture, its weights and how it reads texts."""
