"""How Oncoserve is put onto machines."""
