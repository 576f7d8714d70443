"""Studies: started, running, stored."""
