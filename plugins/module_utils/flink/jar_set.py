"""A set of jars beside a release: links to all that the release has in lib/ and plugins/, and further jars between them.

Made under another name and renamed when it is whole, so a set is there or it is not; one that is there is never written to.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jars import (
    MARKER,
    ZOOKEEPER_CLIENT,
    Jar,
    is_zookeeper_client,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive


class JarSet:
    """Makes sets on this host. `open_url` gives the stream of a URL, or raises SourceError."""

    def __init__(self, open_url: archive.Opener) -> None:
        self._open_url = open_url

    @staticmethod
    def is_there(dest: str) -> bool:
        """Whether the set stands.

        Raises:
            ReleaseError: something else does.
        """
        try:
            kind = os.lstat(dest).st_mode
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(kind) and os.path.isfile(os.path.join(dest, MARKER)):
            return True
        raise archive.ReleaseError(
            f"{dest} is there and was not made by this toolkit (it has no {MARKER}), so it may be in use. Nothing is written there. "
            f"Move it away (mv {dest} {dest}.old) and run again."
        )

    def make(self, dest: str, release_dir: str, jars: Sequence[Jar], transferred: Mapping[str, str]) -> None:
        """Makes a set.

        Args:
            dest: absolute path of it.
            release_dir: of the release.
            jars: those that the release does not have in lib/ and plugins/.
            transferred: by sha512, paths on this host of jars that came from the controller.

        Raises:
            ReleaseError: a jar is not to be had, or is another one; or the release has what the set is to have.
        """
        archive.check_way(dest)
        with archive.workspace(dest) as work:
            tree = os.path.join(work, "tree")
            os.mkdir(tree, 0o755)
            # Of two clients of ZooKeeper, the first on the classpath would count, by chance.
            other_client = any(is_zookeeper_client(jar) for jar in jars)
            for part, left in (("lib", ZOOKEEPER_CLIENT if other_client else ""), ("plugins", "")):
                _link_all(os.path.join(release_dir, part), os.path.join(tree, part), left)
            for jar in jars:
                self._place(jar, release_dir, tree, transferred)
            with open(os.path.join(tree, MARKER), "w", encoding="utf-8") as handle:
                os.fchmod(handle.fileno(), 0o644)
                handle.write(
                    json.dumps([asdict(jar) | {"source": archive.redacted(jar.source)} for jar in jars]) + "\n"
                )
            archive.settle(tree)
            # Another run may have finished between the first look and the lock.
            if not self.is_there(dest):
                os.rename(tree, dest)

    def _place(self, jar: Jar, release_dir: str, tree: str, transferred: Mapping[str, str]) -> None:
        directory = os.path.join(tree, jar.directory)
        path = os.path.join(directory, jar.file)
        if os.path.islink(directory) or os.path.lexists(path):
            there = os.path.relpath(directory if os.path.islink(directory) else path, tree)
            raise archive.ReleaseError(
                f"{release_dir} has {there} itself. Take it out of flink_ha_plugins or flink_ha_libraries."
            )
        os.makedirs(directory, exist_ok=True)
        if not jar.source:
            shipped = os.path.join(release_dir, "opt", jar.file)
            if not os.path.isfile(shipped):
                variable = "flink_ha_plugins" if jar.plugin else "flink_ha_libraries"
                raise archive.ReleaseError(
                    f"{release_dir} ships no opt/{jar.file}. Name the jar and its sha512 in {variable}; the project publishes it on Maven "
                    f"Central as org.apache.flink:{jar.file.rsplit('-', 1)[0]}{'' if jar.plugin else '-3'}."
                )
            os.symlink(shipped, path)
        elif archive.is_url(jar.source):
            try:
                with self._open_url(jar.source) as stream, open(path, "wb") as out:
                    shutil.copyfileobj(stream, out, archive.BLOCK)
            except (archive.SourceError, OSError) as error:
                raise archive.ReleaseError(f"{archive.redacted(jar.source)}: {error}") from error
        else:
            shutil.copyfile(transferred[jar.sha512], path)
        if jar.source:
            archive.check_sum(archive.sha512_of(path), jar.sha512, jar.source)
            # Whatever the umask is: the service's user reads here.
            os.chmod(path, 0o644)


def _link_all(source: str, directory: str, left: str) -> None:
    """Links to all of a directory, but for what has the beginning `left`."""
    os.mkdir(directory)
    for name in sorted(os.listdir(source)):
        if not left or not name.startswith(left):
            os.symlink(os.path.join(source, name), os.path.join(directory, name))


def ensure(made: JarSet, params: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """All that the module `jar_set` returns, for its validated `params`.

    Raises:
        ReleaseError: as `JarSet.make`.
    """
    dest = os.path.normpath(params["dest"])
    jars = [Jar(**each) for each in params["jars"]]
    result: dict[str, Any] = {"changed": False, "transfer": {}, "diff": {"before": "", "after": ""}}
    if made.is_there(dest):
        return result
    lines = "".join(f"{dest}: {jar.directory}/{jar.file}\n" for jar in jars)
    result |= {"diff": {"before": f"{dest}: absent\n", "after": lines}}
    wanted = {jar.sha512: jar.source for jar in jars if jar.source and not archive.is_url(jar.source)}
    if not check_mode:
        if wanted.keys() - params["transferred"].keys():
            return result | {"transfer": wanted}
        made.make(dest, params["release_dir"], jars, params["transferred"])
    return result | {"changed": True, "transfer": wanted if check_mode else {}}
