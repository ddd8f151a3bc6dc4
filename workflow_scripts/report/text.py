"""Names and reasons as people see them: a character that is not printed is shown as a sign for it."""

# Control characters as Unicode's pictures of them, those without a picture and what XML cannot hold as U+FFFD.
_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], 0xFFFD)
# Marks that turn the direction of the text beside them.
_PICTURES |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


def visible(text: str) -> str:
    """The text on one line, each control character a sign (a tab U+2409), other characters as they are."""
    return text.translate(_PICTURES)
