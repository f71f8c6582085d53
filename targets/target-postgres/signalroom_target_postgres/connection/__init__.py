"""Which server to connect to, how, and what its errors mean."""
