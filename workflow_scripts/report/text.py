"""Makes control characters in names and messages visible."""

# Unicode's pictures of control characters; U+FFFD for those without a picture, and for what XML cannot hold.
_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], 0xFFFD)
# Marks that change the direction of the text.
_PICTURES |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


def visible(text: str) -> str:
    """The text on one line. Control characters become signs, such as U+2409 for a tab; others stay."""
    return text.translate(_PICTURES)
