"""The same training in the manner that each peer documents: MLP 3 x 128, dropout .1, AdamW, batch 256, AUC each epoch.

A peer is a function `train(task, n_epochs) -> None`; a sweep of it is what `throughput.py` times.
"""
