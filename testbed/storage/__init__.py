"""The servers that several machines keep results and jobs in."""
