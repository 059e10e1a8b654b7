"""What a terminal shows, from what was written to it."""

import re


def shown_lines(text):
    """The lines that stand there in the end, as far as a live line needs to be followed."""
    lines, row, column = [""], 0, 0
    for mark, letter in re.findall(r"(\x1b\[\??[\d;]*[A-Za-z]|\r|\n)|(.)", text):
        if mark == "\r":
            column = 0
        elif mark == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif mark == "\x1b[1A":
            row -= 1
        elif mark == "\x1b[2K":
            lines[row] = ""
        elif letter:
            lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
            column += 1
    return lines
