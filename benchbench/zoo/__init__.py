"""Small models of the generated inspection line, with the script that trained them."""
