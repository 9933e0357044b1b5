"""The controller's programs and adapters against real parts."""
