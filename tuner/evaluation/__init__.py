"""Step 7, evaluate: figures of merit with uncertainties, on validation and, once, on test."""
