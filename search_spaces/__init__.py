"""Search spaces: one function of a trial each."""
