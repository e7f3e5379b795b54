"""What a hostile process of a service's user can do among its own files: other things in their place, as fast as it can.

swapper.py SENTINEL DIRECTORY...: in each directory, which is its user's, it swaps the names that host_files and host_state are
asked for. SENTINEL is a directory of root's with a file `file`. How often it did, it writes to the file `swaps` of the first.
"""

import ctypes
import itertools
import os
import random
import shutil
import sys

FILES = ("myid", "initialize", "rights")
DIRECTORIES = ("version-2", "tmp", "tmp/below", "old")
LIBC = ctypes.CDLL(None, use_errno=True)
HERE, EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE


def make(kind, path, sentinel):
    if kind == "file":
        with open(path, "w") as stream:
            stream.write("1\n")
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "hard link":
        os.link(f"{sentinel}/file", path)
    else:
        os.symlink(
            sentinel + {"link to a file": "/file", "link to a directory": "", "link below": "/below"}[kind], path
        )


def clear(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def swap(path, other):
    """Both at once: there is no moment at which nothing stands there."""
    if LIBC.renameat2(HERE, path.encode(), HERE, other.encode(), EXCHANGE) != 0:
        os.rename(other, path)


def main():
    sentinel, *directories = sys.argv[1:]
    links = ("link to a file", "link to a directory", "link below")
    for count in itertools.count():
        directory = random.choice(directories)
        name = random.choice(FILES + DIRECTORIES)
        other = f"{directory}/.other"
        honest = "file" if name in FILES else "directory"
        try:
            clear(other)
            make(random.choice((honest, *links, "fifo", "hard link")), other, sentinel)
            swap(f"{directory}/{name}", other)
            # And back, since what is refused at the first look is no race.
            for _each in range(random.randrange(8)):
                swap(f"{directory}/{name}", other)
        except OSError:
            pass  # what root does at this moment is in the way
        if count % 100 == 0:
            # In one step: the test reads it while this goes on.
            with open(f"{directories[0]}/.swaps", "w") as stream:
                stream.write(str(count))
            os.replace(f"{directories[0]}/.swaps", f"{directories[0]}/swaps")


if __name__ == "__main__":
    main()
