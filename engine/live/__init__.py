"""Live work of pages: the worker process, its client, and what it keeps in memory."""
