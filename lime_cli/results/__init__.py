"""What is done with explanations after they are made."""
