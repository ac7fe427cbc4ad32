"""Files of pictures made byte by byte, for what no encoder here writes."""
