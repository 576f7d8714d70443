"""What pages share: resources, address, limits, defaults."""
