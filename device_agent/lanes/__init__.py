"""The lanes that make the hub what its document says: the gate (fast, safety) and the modem (slow).

Each is a loop: observe, plan, one step, the facts it read back; then wait for an event or the plan's own time. They
share a Board. The gate never waits for the modem lane, so closing is immediate whatever a modem is doing.
"""
