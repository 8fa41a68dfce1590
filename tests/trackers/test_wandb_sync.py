"""The name that all workers of a run folder share."""

from __future__ import annotations

import threading

from tuner.trackers.wandb_sync import read_sweep_id


def test_an_empty_name_counts_as_none_so_that_folders_never_share_one(tmp_path):
    names = set()
    for number in range(2):
        folder = tmp_path / str(number)
        (folder / "wandb").mkdir(parents=True)
        (folder / "wandb" / "sweep_id").write_text("")
        names |= {read_sweep_id(folder) for _ in range(3)}
    assert len(names) == 2
    assert all(len(name) == 8 for name in names)


def test_workers_that_start_at_once_share_the_name(tmp_path):
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "sweep_id").write_text("")
    names: list[str] = []
    workers = [threading.Thread(target=lambda: names.append(read_sweep_id(tmp_path))) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(names) == 16
    assert set(names) == {(tmp_path / "wandb" / "sweep_id").read_text()}
