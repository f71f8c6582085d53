"""What the tests of this repository run on; `tests/README.md` says which part is for what."""
