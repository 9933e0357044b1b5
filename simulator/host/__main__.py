"""What the installed shims call: `python -m simulator.host TOOL STATE_DIR ARGUMENTS…`."""

import sys
from pathlib import Path


def main() -> int:
    """Run one stand-in."""
    tool, state_dir, *argv = sys.argv[1:]
    if tool == "nft":
        from simulator.host import nft as played
    elif tool == "dnsmasq":
        from simulator.host import dnsmasq as played  # type: ignore[no-redef]
    else:
        from simulator.host import hostapd_cli as played  # type: ignore[no-redef]
    return played.main(Path(state_dir), argv)


sys.exit(main())
