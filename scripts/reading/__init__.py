"""What docs/RESULTS.md says: each module reads the bundled studies and writes one part of the page."""
