"""The command line: `rowline`. One file per command."""
