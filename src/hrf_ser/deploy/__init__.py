"""What ships: the bundle and, from it, everything that runs on a device."""
