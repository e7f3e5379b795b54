"""A directory as an NFS server with root_squash exports it: root is nobody, and all others are who they are.

Stands for such a mount where the machine has no NFS: squashed.py DIRECTORY MOUNTPOINT, by FUSE (Debian's python3-fusepy). Rights
are judged by the kernel, on the directory itself, since each operation is done as the user that asks for it.
"""

import errno
import os
import sys

import fusepy as fuse

NOBODY = 65534


class Squashed(fuse.Operations):
    def __init__(self, root):
        self.root = root

    def __call__(self, operation, path, *arguments):
        uid, gid, _pid = fuse.fuse_get_context()
        uid, gid = (uid or NOBODY), (gid or NOBODY)
        os.setgroups([gid])
        os.setegid(gid)
        os.seteuid(uid)
        try:
            return super().__call__(operation, self.root + path, *arguments)
        finally:
            os.seteuid(0)
            os.setegid(0)

    def getattr(self, path, fh=None):
        found = os.lstat(path)
        names = ("st_atime", "st_ctime", "st_mtime", "st_gid", "st_uid", "st_mode", "st_nlink", "st_size")
        return {name: getattr(found, name) for name in names}

    def access(self, path, mode):
        if not os.access(path, mode, effective_ids=True):
            raise fuse.FuseOSError(errno.EACCES)
        return 0

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(path)]

    def mkdir(self, path, mode):
        os.mkdir(path, mode)

    def rmdir(self, path):
        os.rmdir(path)

    def unlink(self, path):
        os.unlink(path)

    def rename(self, old, new):
        os.rename(old, self.root + new)

    def chmod(self, path, mode):
        os.chmod(path, mode)

    def chown(self, path, uid, gid):
        os.chown(path, uid, gid, follow_symlinks=False)

    def utimens(self, path, times=None):
        os.utime(path, times)

    def truncate(self, path, length, fh=None):
        os.truncate(path, length)

    def create(self, path, mode, fi=None):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

    def open(self, path, flags):
        return os.open(path, flags & ~os.O_APPEND)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def fsync(self, path, datasync, fh):
        os.fsync(fh)

    def release(self, path, fh):
        os.close(fh)

    def statfs(self, path):
        found = os.statvfs(path)
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_") and name != "f_fsid"}


if __name__ == "__main__":
    os.umask(0)  # the kernel has applied the caller's
    # Nothing is remembered from one user for another, nor from what another host changes.
    fresh = {"entry_timeout": 0, "attr_timeout": 0, "negative_timeout": 0}
    fuse.FUSE(Squashed(sys.argv[1]), sys.argv[2], foreground=True, nothreads=True, allow_other=True, **fresh)
