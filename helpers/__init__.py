"""Fupan (复盘): post-live review and after-sales tracking for livestream-commerce teams."""

import sys

# rfc3987-syntax builds its grammar anew (2 s) in every process that imports nbformat; nothing here
# checks such formats, and jsonschema does without it when it cannot be imported.
sys.modules.setdefault("rfc3987_syntax", None)
