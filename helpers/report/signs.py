"""Signs and colours of verdicts and lights, and the names of codes."""

from helpers import reference
from helpers.core import text

# A sign and a colour class for each verdict and light: never the colour alone.
SIGNS = {
    "better": ("●", "good"),
    "worse": ("◆", "bad"),
    "normal": ("■", "quiet"),
    "cannot_tell": ("?", "quiet"),
    "not_comparable": ("×", "quiet"),
    "not_done": ("×", "quiet"),
    "green": ("●", "good"),
    "amber": ("▲", "warn"),
    "red": ("◆", "bad"),
    "grey": ("○", "quiet"),
}
OF_PLANS = {
    "effective": ("●", "good"),
    "effective_but_small": ("●", "quiet"),
    "not_effective": ("◆", "bad"),
    "harmful": ("◆", "bad"),
}
SIGNS |= OF_PLANS | {f"{verdict}_so_far": sign for verdict, sign in OF_PLANS.items()}
SEVERITY = {"worse": 0, "better": 1, "normal": 2, "cannot_tell": 3, "not_comparable": 4}


def term(group: str, value: object, lang: str) -> str:
    """The name of a code in the terms, else the code as a plain text; empty where it is missing."""
    if not isinstance(value, str):
        return ""
    named = reference.terms().get(group, {}).get(value)
    return text.label(named, lang) if named else text.plain(value)
