"""``make mutation``: changes the code in small ways, and lists the changes that no test notices.

The operators are mutmut's. Its own runner does not fit this repository, for three reasons:

* It passes over each function with a decorator other than ``staticmethod`` and ``classmethod``, and
  here ``override``, ``property`` and ``contextmanager`` are on most of those that matter.
* It copies the code to ``mutants/`` and names a mutant by the path of its file. The packages of a
  workspace are installed from their own folders, below ones with hyphens in their names.
* It runs the tests in the process that the mutants are forked from. A mock server's threads do not
  survive a fork.

So ``mutants`` applies the operators to the body of each function, and ``runner`` collects the tests
once. It forks a process for each mutant, in which the function gets the mutant's code, and runs the
tests that execute the mutated statement until one fails.
"""
