"""What SignalRoom's Singer taps share on top of the Singer SDK."""
