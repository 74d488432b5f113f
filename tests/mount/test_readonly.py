# SPDX-License-Identifier: Apache-2.0
"""Every system call that would change something gets EROFS, from root too, and nothing has changed afterwards."""
import errno
import fcntl
import os
import stat
import struct

import pytest

import h5ad_corpus

FS_IOC_SETFLAGS = 0x40086602
EXISTING = ["README.txt", "epoch_0/rank_0/batch_0.csr", "obs/_index.txt", "rows/3.csr", "X/data.npy", "", "epoch_0", "epoch_0/rank_0", "obs",
            "epoch_0/rank_0/batch_0"]
FOLDERS = ["", "epoch_0", "epoch_0/rank_0", "obs", "X", "rows", "epoch_0/rank_0/batch_0"]


def set_flags(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", 0x10))
    finally:
        os.close(fd)


def opened(flags):
    return lambda path: os.close(os.open(path, flags, 0o644))


# Calls on what exists ...
ON_FILES = {
    "open O_WRONLY": opened(os.O_WRONLY), "open O_RDWR": opened(os.O_RDWR), "open O_TRUNC": opened(os.O_RDONLY | os.O_TRUNC),
    "open O_APPEND": opened(os.O_WRONLY | os.O_APPEND), "open O_CREAT for writing": opened(os.O_WRONLY | os.O_CREAT),
    "truncate": lambda path: os.truncate(path, 0), "unlink": os.unlink, "link": lambda path: os.link(path, path.parent / "linked"),
}
ON_ANYTHING = {
    "chmod": lambda path: os.chmod(path, 0o777), "chown": lambda path: os.chown(path, 1, 1), "lchown": lambda path: os.lchown(path, 1, 1),
    "utime": lambda path: os.utime(path, (1, 1)), "setxattr": lambda path: os.setxattr(path, "user.x", b"1"),
    "setxattr trusted": lambda path: os.setxattr(path, "trusted.x", b"1"), "removexattr": lambda path: os.removexattr(path, "user.x"),
    "FS_IOC_SETFLAGS": set_flags,
}
ON_FOLDERS = {"rmdir": os.rmdir, "O_TMPFILE": opened(os.O_TMPFILE | os.O_RDWR)}
# ... and on a name in a folder that does not exist yet.
CREATING = {
    "creat": opened(os.O_CREAT | os.O_WRONLY | os.O_TRUNC), "open O_CREAT for reading": opened(os.O_CREAT | os.O_RDONLY),
    "open O_EXCL": opened(os.O_CREAT | os.O_EXCL | os.O_RDWR), "mkdir": os.mkdir, "mkfifo": os.mkfifo,
    "mknod file": lambda path: os.mknod(path, stat.S_IFREG | 0o644), "mknod device": lambda path: os.mknod(path, stat.S_IFCHR, os.makedev(1, 3)),
    "symlink": lambda path: os.symlink("target", path),
}


@pytest.fixture(scope="module")
def mounted(convert, mount, tmp_path_factory):
    path = tmp_path_factory.mktemp("readonly") / "a.h5ad"
    h5ad_corpus.FILES["csr_csc_dense_raw_and_layers"](path)
    with mount(convert(path), batch_size=50, epochs=2) as mounted:
        before = {name: (os.stat(mounted / name).st_mode, os.stat(mounted / name).st_mtime_ns) for name in EXISTING}
        names, bytes_before = sorted(mounted.list()), mounted.read("epoch_0/rank_0/batch_0.csr")
        yield mounted
        assert before == {name: (os.stat(mounted / name).st_mode, os.stat(mounted / name).st_mtime_ns) for name in EXISTING}
        assert names == sorted(mounted.list()) and bytes_before == mounted.read("epoch_0/rank_0/batch_0.csr")


def refuses(call, *arguments):
    with pytest.raises(OSError) as caught:
        call(*arguments)
    assert caught.value.errno == errno.EROFS, f"{arguments}: {caught.value}"


@pytest.mark.parametrize("call", ON_FILES)
def test_on_files(mounted, call):
    for name in EXISTING:
        if (mounted / name).is_file():
            refuses(ON_FILES[call], mounted / name)


@pytest.mark.parametrize("call", ON_ANYTHING)
def test_on_files_and_folders(mounted, call):
    for name in EXISTING:
        refuses(ON_ANYTHING[call], mounted / name)


@pytest.mark.parametrize("call", ON_FOLDERS)
def test_on_folders(mounted, call):
    for name in FOLDERS:
        if name or call != "rmdir":                     # rmdir of a mount point is EBUSY everywhere
            refuses(ON_FOLDERS[call], mounted / name)


@pytest.mark.parametrize("call", CREATING)
def test_creating(mounted, call):
    for name in FOLDERS:
        refuses(CREATING[call], mounted / name / "new")


def test_rename(mounted, tmp_path):
    rank = mounted / "epoch_0/rank_0"
    refuses(os.rename, rank / "batch_0.csr", rank / "new")
    refuses(os.rename, rank / "batch_0.csr", rank / "batch_1.csr")
    refuses(os.rename, mounted / "epoch_0", mounted / "epoch_x")


def test_access(mounted):
    for name in EXISTING:
        assert os.access(mounted / name, os.R_OK) and not os.access(mounted / name, os.W_OK), name


def test_mount_options(mounted):
    """The kernel itself enforces it: the mount is ro, nosuid, nodev, checks permissions, and is known by its name."""
    line = next(line for line in open("/proc/self/mountinfo") if line.split()[4] == str(mounted.path))
    options, (kind, _, super_options) = set(line.split()[5].split(",")), line.split(" - ")[1].split()
    assert {"ro", "nosuid", "nodev"} <= options and "default_permissions" in super_options.split(",")
    assert "allow_other" not in super_options and kind == "fuse.shufflefs"
