"""`python -m device_agent` is `hub-agent`."""

from device_agent.cli import main

main()
