"""The pieces of separated drums: stems, and notes."""
