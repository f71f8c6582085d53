"""Programs that start as forks of a process that has imported them.

Meltano, a tap and the loader import for longer than a run with nothing new takes. `server` imports
the packages of some programs once, and forks a process for each start; `launcher` is a small
executable of a program's name that asks it to. Whoever starts a launcher, as Meltano does, sees no
difference: it has the program's pipes, signals and exit code.

What a fork shares with others are imported modules. The server reads no credentials: not ``.env``,
not the clients' files, and its own environment has only what `programs` lists. It runs nothing of a
program itself, so that no crash, state or thread of one start reaches another.
"""
