"""Stand-ins for what the emulator of AWS has not."""
