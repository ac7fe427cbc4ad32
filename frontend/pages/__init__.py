"""The page for people: templates, scripts, and the addresses that a browser opens."""
