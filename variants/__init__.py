"""What is compared: one attention design a file, and the recipes that build networks of them."""
