"""How Rowline reaches other machines: one way out, which addresses it may use, signatures."""
