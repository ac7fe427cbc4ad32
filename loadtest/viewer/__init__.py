"""How quick the page's viewer is, and what it costs the frontend."""
