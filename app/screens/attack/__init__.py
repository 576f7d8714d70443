"""One attack on several models side by side."""
