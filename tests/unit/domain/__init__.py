"""Rules over dated facts: tables, laws and edges."""
