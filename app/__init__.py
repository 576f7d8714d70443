"""The dashboard: pages, their parts, charts, and the state they share."""
