"""Numbers and their words: statistics, one regression, formats, findings, personal data, the engine for large tables."""
