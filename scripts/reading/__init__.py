"""What docs/results.md says: each module writes one part of it from the bundled studies."""
