"""Values of tab-separated tables. A name may hold a tab, a line break or another control character.

`escaped` writes these as `\\t`, `\\n`, `\\r`, `\\xNN` or `\\uNNNN`, and doubles a backslash. Each line of a file is
then one row in every program, and `unescaped` returns the original text.
"""

import re

_SHORT = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
# Control characters, the two line breaks of Unicode, and surrogates that do not stand for a byte of a file name.
_SPECIAL = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udc7f\udd00-\udfff]")
_ESCAPED = re.compile(r"\\(?:([\\tnr])|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def escaped(text: str) -> str:
    """Returns `text` without control characters, for one value of a table or a line of a log."""
    return _SPECIAL.sub(lambda match: _SHORT.get(match[0]) or _numbered(ord(match[0])), text)


def unescaped(text: str) -> str:
    """Returns the text from which `escaped` made this one."""
    return _ESCAPED.sub(lambda match: _character(*match.groups()), text) if "\\" in text else text


def _numbered(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _character(letter: str | None, two_digits: str | None, four_digits: str | None) -> str:
    if letter:
        return {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}[letter]
    return chr(int(two_digits or four_digits or "", 16))
