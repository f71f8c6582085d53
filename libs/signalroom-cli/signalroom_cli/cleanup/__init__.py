"""`signalroom clean-up`: what runs leave behind, and nobody needs any more."""
