"""From the wire to business facts, acknowledged after commit."""
