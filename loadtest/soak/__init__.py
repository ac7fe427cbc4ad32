"""Hours in minutes: a mixed load on the whole service, while its memory and open files are watched."""
