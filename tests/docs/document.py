# SPDX-License-Identifier: Apache-2.0
"""Finds what tests need in the documents: fenced blocks, and the tags of man pages."""
import re
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


@dataclass
class Block:
    language: str
    heading: str                # the nearest one above
    text: str


def blocks(name):
    """The fenced blocks of a Markdown file, in order."""
    found, heading, block = [], "", None
    for line in (REPO / name).read_text().splitlines():
        if block is not None and line.strip() == "```":
            found.append(block)
            block = None
        elif block is not None:
            block.text += line + "\n"
        elif line.startswith("```"):
            block = Block(line[3:].strip(), heading, "")
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    assert block is None, f"{name}: a block is not closed"
    return found


def plain(line):
    """A line of man(7) as it is shown: without macro, quotes and font changes."""
    line = re.sub(r"^\.[A-Z]+ +", "", line)
    line = re.sub(r"\\f[A-Z]", "", line).replace(r"\-", "-").replace(r"\e", "\\")
    return line.replace('"', "")


def tags(name, section):
    """The tags (what follows .TP) of a section of a man page."""
    found, inside, tag_follows = [], False, False
    for line in (REPO / "docs" / name).read_text().splitlines():
        if line.startswith(".SH "):
            inside = plain(line) == section
        elif inside and tag_follows:
            found.append(plain(line))
        tag_follows = line == ".TP"
    assert found, f"{name} has no section {section}"
    return found
