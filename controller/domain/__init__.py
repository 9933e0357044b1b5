"""Pure rules over dated facts; each names its clause."""
