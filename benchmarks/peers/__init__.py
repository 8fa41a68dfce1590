"""The same training in the manner that each peer documents: MLP 3 x 128, dropout .1, AdamW, batch 256, AUC each epoch.

A peer (`*_peer.py`, `plain.py`) is a function `train(task, n_epochs, device)`, which `throughput.py` times. A
contestant (`*_contestant.py`) is a function `compete(contest)`: a whole search, whose best AUC `time_to_quality.py`
follows.
"""
