"""A TMF640 platform with real-world manners."""
