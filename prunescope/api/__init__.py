"""What `import prunescope as ps` offers: studies, models and attacks, for scripts and notebooks."""
