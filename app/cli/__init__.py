"""How people drive it: the command `rowline`. One file a command."""
