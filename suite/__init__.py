"""How attention designs are measured: one quantity a module. Knows variants.contract, names no design."""
