"""The slider and what follows it."""
