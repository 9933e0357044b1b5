"""Tables: purpose and retention stand in every column."""
