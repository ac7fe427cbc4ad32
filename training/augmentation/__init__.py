"""Pictures and masks drawn anew for every step, so that a network learns tumours and not the sources of pictures."""
