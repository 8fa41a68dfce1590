"""Step 0, frame: from a data file to a study file that a person reads and corrects."""
