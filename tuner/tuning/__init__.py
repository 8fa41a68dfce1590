"""Step 6, tune: studies, searches, and the workers that carry them out."""
