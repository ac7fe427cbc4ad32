"""The command `oncoserve`: a module for each subcommand, which imports what it needs only when it is called."""
