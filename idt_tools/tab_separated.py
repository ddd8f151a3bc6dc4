"""Values in tab-separated tables: a name may hold a tab, a line break or another control character.

These are written as `\\t`, `\\n`, `\\r`, `\\xNN` or `\\uNNNN`, and a backslash is written twice. Each line of a file is
then one row in every program, and reading gives back the very text that was written.
"""

import re

_SHORT = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
# Control characters, the two line breaks of Unicode, and halves of a character that are no byte of a file name.
_SPECIAL = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udc7f\udd00-\udfff]")
_ESCAPED = re.compile(r"\\(?:([\\tnr])|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def escaped(text: str) -> str:
    """`text` without control characters, for one value of a table or a line of a log."""
    return _SPECIAL.sub(lambda match: _SHORT.get(match[0]) or _numbered(ord(match[0])), text)


def unescaped(text: str) -> str:
    """What `escaped` was given; text without a backslash stays as it is."""
    return _ESCAPED.sub(lambda match: _character(*match.groups()), text) if "\\" in text else text


def _numbered(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _character(letter: str | None, two_digits: str | None, four_digits: str | None) -> str:
    if letter:
        return {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}[letter]
    return chr(int(two_digits or four_digits or "", 16))
