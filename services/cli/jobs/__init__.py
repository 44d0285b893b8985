"""Jobs as a person follows and checks them."""
