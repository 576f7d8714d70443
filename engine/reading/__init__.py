"""Reading: what a study says, in series, names, command lines and sentences."""
