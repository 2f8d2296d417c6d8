"""Numbers and their words.

Statistics, one regression, formats, findings, personal data, the engine for large tables.
"""
