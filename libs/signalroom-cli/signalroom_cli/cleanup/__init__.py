"""``signalroom clean-up``: remove what runs leave behind and nothing reads any more."""
