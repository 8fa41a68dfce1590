"""Step 5, train: packs, and the one loop that trains them."""
