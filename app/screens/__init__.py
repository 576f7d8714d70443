"""The pages, a folder each with its own parts."""
