r"""Regular expressions of PostgreSQL (its manual, section 9.7.3) as those of RE2, where both match the same texts."""

from vaven.publisher.sql.errors import SqlNotSupported

# Escapes with the same meaning, and those of classes that RE2 limits to ASCII.
CLASSES = {"d": "[0-9]", "D": "[^0-9]", "s": r"\s", "S": r"\S", "w": r"[\pL\pN_]", "W": r"[^\pL\pN_]"}
SPECIAL = "\\.[]{}()*+?^$|-/"


def translate(pattern: str) -> str:
    """Return the pattern in RE2's syntax. Raises SqlNotSupported for what RE2 reads otherwise."""
    if pattern.startswith("***") or "(?" in pattern or "[[" in pattern or "[:" in pattern or "[." in pattern:
        raise SqlNotSupported(f"the regular expression {pattern[:60]}", "use LIKE, or a simpler expression")
    parts: list[str] = []
    position, in_brackets = 0, False
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            position += 1
            parts.append(_escape(pattern[position : position + 1], in_brackets=in_brackets))
        else:
            in_brackets = character == "[" or (in_brackets and character != "]")
            parts.append(character)
        position += 1
    return "".join(parts)


def _escape(character: str, *, in_brackets: bool) -> str:
    if character and character in SPECIAL:
        return "\\" + character
    if character in CLASSES and not in_brackets:
        return CLASSES[character]
    raise SqlNotSupported(f"the escape \\{character} in a regular expression", "use LIKE, or a simpler expression")
