"""What the pipelines of this project did, and whether any has fallen behind."""
