"""What docs/RESULTS.md says: each module writes one part of it from the bundled studies."""
