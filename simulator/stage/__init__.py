"""The stage: real processes of the project put together with the simulator's parts, and the demo played on it."""
