# SPDX-License-Identifier: Apache-2.0
"""What mkshufflefs says while it works: a bar on a terminal, plain lines in a log, nothing with --quiet."""
import os
import pty
import subprocess

import harness

SOURCE = "synthetic:rows=40000,vars=20000,density=0.03"


def on_terminal(arguments):
    """What is written to a terminal in all."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(arguments, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:                                       # how a terminal without writers ends
        pass
    os.close(ours)
    assert process.wait() == 0
    return said.decode()


def test_a_bar_on_a_terminal(tmp_path):
    said = on_terminal([harness.BUILD / "mkshufflefs", SOURCE, "-o", tmp_path / "a.sfs"])
    bars = [line for line in said.split("\r") if "[" in line and "%" in line]
    assert len(bars) >= 2 and all("/s" in bar and "s left" in bar and "X" in bar for bar in bars)
    shares = [int(bar.split("%")[0].split()[-1]) for bar in bars]
    assert shares == sorted(shares) and shares[-1] > shares[0]


def test_plain_lines_in_a_log(tmp_path):
    done = harness.mkshufflefs(SOURCE, tmp_path / "a.sfs")
    assert done.returncode == 0 and b"X: 40000 done in " in done.stderr
    assert b"\r" not in done.stderr and b"\x1b" not in done.stderr


def test_quiet(tmp_path):
    done = harness.mkshufflefs(SOURCE, tmp_path / "a.sfs", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
