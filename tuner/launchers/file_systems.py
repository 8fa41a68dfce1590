"""File systems: whether other machines may see what lies in a folder."""

from __future__ import annotations

from pathlib import Path

_DISKS = "apfs bcachefs btrfs exfat ext2 ext3 ext4 f2fs hfs jfs overlay ramfs reiserfs squashfs tmpfs vfat xfs zfs"

LOCAL_KINDS = frozenset(_DISKS.split(" "))
"""Kinds of file systems that are on a machine's own disk or in its memory, unless it exports them."""

_MOUNTS = Path("/proc/self/mounts")


def find_file_system(path: Path) -> str | None:
    """Return the kind of file system that a path lies on, such as "nfs4"; None where the system does not tell."""
    try:
        mounts = _MOUNTS.read_text().splitlines()
    except OSError:
        return None
    resolved = path.resolve()
    found: tuple[int, str | None] = (0, None)
    for line in mounts:
        _, point, kind, *_ = line.split(" ")
        place = Path(point.encode().decode("unicode_escape"))
        # A later mount hides an earlier one at the same place.
        if resolved.is_relative_to(place) and len(place.parts) >= found[0]:
            found = (len(place.parts), kind)
    return found[1]
