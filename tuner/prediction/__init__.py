"""Step 8, predict: scores of events, and a network for other programs."""
