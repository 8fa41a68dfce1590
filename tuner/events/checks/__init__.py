"""Can the events be trusted? Checks with codes: what was found, what it means, what to do."""
