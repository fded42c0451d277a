"""The timed loop, the accuracy pass, and what is known of the machine."""
