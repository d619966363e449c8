"""Pages of the guide, whose blocks the stories run, so that what is written there was tried."""

from ..tools import ROOT


def blocks(page, language, below=""):
    """Returns the fenced blocks of a page in docs/ that have this language behind the fence: all of them, or those below
    this heading."""
    found = []
    block = None
    heading = ""
    indentation = 0
    for line in (ROOT / "docs" / page).read_text().splitlines(keepends=True):
        plain = line.strip()
        if block is not None and plain == "```":
            if block[0] == language and below in ("", heading):
                found.append("".join(block[1:]))
            block = None
        elif block is not None:
            block.append(line[indentation:] or "\n")
        elif plain.startswith("```"):
            block = [plain[3:]]
            indentation = len(line) - len(line.lstrip())
        elif line.startswith("#"):
            heading = line.lstrip("#").strip()
    return found
