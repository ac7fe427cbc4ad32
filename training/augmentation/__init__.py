"""Pictures and boxes drawn anew in every epoch, so that a network learns tumours and not the sources of pictures."""
