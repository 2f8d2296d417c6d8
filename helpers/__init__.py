"""Fupan (复盘): post-live review and after-sales tracking for livestream-commerce teams."""
