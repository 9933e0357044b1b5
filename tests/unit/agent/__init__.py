"""The agent, its outside in memory and its time virtual."""
