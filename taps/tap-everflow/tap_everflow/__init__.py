"""Singer tap for the Everflow partner-marketing platform, built with the Meltano Singer SDK."""
