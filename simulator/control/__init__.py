"""Playing a scenario and meddling with it while it runs.

`World` is one household: modem, SIM platform and line. `play_virtual` runs it in no time, `play_live` on ports and in
real or faster time, with a control socket (`ControlClient`, `hub-sim control`).


Nothing is imported here: who only sends a command need not wait for a whole world.
"""
