"""Bundle: a directory of release archives in their official layout, with a manifest of what they are.

An archive is Apache's own where that can be reached. Elsewhere it is assembled from what the projects publish in
package registries; then it holds a note that says so, and its sum is the manifest's, never the official one.
"""

from __future__ import annotations

import concurrent.futures
import gzip
import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive, published

MANIFEST = "manifest.json"
NOTE = "README.streamquorum"
#: Runs a command in a directory: (rc, stdout and stderr).
Runner = Callable[[Sequence[str], str], tuple[int, str]]

Item = Mapping[str, Any]


# --- plan ------------------------------------------------------------------------------------------------------------


def plan(
    contents: Sequence[Mapping[str, Any]],
    releases: Mapping[str, Sequence[Mapping[str, Any]]],
    recipes: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """What a bundle is to hold, each item with its official name and sum and the way to assemble it.

    Args:
        contents: `name` and `version` of each archive.
        releases: by name, the table of releases.
        recipes: by name, how an archive is assembled: `kind` (maven or pypi), `jars` and `sets` (maven: see
            `coordinates`), `python` (pypi: the Python that a release has a wheel for, by the first release that has it),
            `takes` (what to tell the user about the time).

    Returns:
        items, and problems: refusals in words.
    """
    items, problems = [], []
    for wanted in contents:
        name, version = str(wanted.get("name", "")), str(wanted.get("version", ""))
        table = releases.get(name)
        if table is None:
            problems.append(f"bundle_contents names {name!r}; known names: {', '.join(sorted(releases))}.")
            continue
        found = next((release for release in table if str(release["version"]) == version), None)
        if found is None:
            known = ", ".join(str(release["version"]) for release in table)
            problems.append(
                f"bundle_contents names {name} {version!r}, which this toolkit does not know. Known: {known}."
            )
            continue
        recipe = recipes[name]
        items.append(
            {
                "name": name,
                "version": version,
                "archive": str(found["archive"]),
                "sha512": str(found.get("sha512") or ""),
                "sha512_source": str(found.get("sha512_source") or ""),
                "kind": recipe["kind"],
                "components": coordinates(recipe, version),
                "python": greatest_since(recipe.get("python", {}), version),
                "takes": recipe["takes"],
            }
        )
    return {"items": items, "problems": problems}


def coordinates(recipe: Mapping[str, Any], version: str) -> list[str]:
    """The artifacts (`group:artifact:version[:classifier]`) that a release is assembled of; none where no set is known.

    Args:
        recipe: `jars` (by part, with names of versions in braces), `sets` (by release: `parts` and `versions`).
        version: the release, which is {release} in `jars`.

    Raises:
        KeyError: a set names a part, or a jar a version, that the recipe does not have.
    """
    known = recipe.get("sets", {}).get(version)
    if known is None:
        return []
    versions = {"release": version, **known["versions"]}
    return [jar.format_map(versions) for part in known["parts"] for jar in recipe["jars"][part]]


def version_key(version: str) -> tuple[int, ...]:
    """A release as numbers, so that 1.20 comes after 1.9."""
    return tuple(int(part) for part in version.split("."))


def greatest_since(table: Mapping[str, str], version: str) -> str:
    """The value of the greatest release in `table` that is not newer than `version`; empty where there is none."""
    fitting = [since for since in table if version_key(since) <= version_key(version)]
    return str(table[max(fitting, key=version_key)]) if fitting else ""


def top_directory(name: str, version: str) -> str:
    """The single directory in a project's official archive."""
    return {"zookeeper": f"apache-zookeeper-{version}-bin", "flink": f"flink-{version}"}[name]


def apache_urls(mirrors: Sequence[str], item: Item) -> list[str]:
    """Where Apache has an archive: under each root of a mirror."""
    path = f"{item['name']}/{item['name']}-{item['version']}/{item['archive']}"
    return [f"{mirror.rstrip('/')}/{path}" for mirror in mirrors]


def stale(items: Sequence[Item], manifest: Mapping[str, Any], sums: Mapping[str, str]) -> list[tuple[Item, str]]:
    """The items that a bundle lacks, and why; `sums` are those of the files that are there."""
    found = []
    for item in items:
        entry = archive.bundle_entry(manifest, item["name"], item["version"])
        if entry is None:
            found.append((item, "not in the bundle"))
        elif entry["file"] not in sums:
            found.append((item, f"{entry['file']} is missing"))
        elif sums[entry["file"]] != entry["sha512"]:
            found.append((item, f"{entry['file']} is not what the manifest says"))
    return found


def with_entry(manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with an archive's entry added or replaced, sorted by name and version."""
    others = [
        item
        for item in manifest.get("archives", [])
        if (item["name"], item["version"]) != (entry["name"], entry["version"])
    ]
    return {"archives": sorted([*others, entry], key=lambda item: (item["name"], version_key(item["version"])))}


# --- assembling: what a registry's client is asked for ---------------------------------------------------------------


def pom(artifacts: Iterable[str]) -> str:
    """A Maven project that copies exactly these artifacts (`group:artifact:version[:classifier]`).

    They are no dependencies, so that no pom of theirs is read: what an archive holds is this list, not what a resolver
    makes of it, and a mirror may lack their parents.
    """
    items = []
    for text in artifacts:
        group, artifact, version, *classifier = text.split(":")
        inner = f"<groupId>{escape(group)}</groupId><artifactId>{escape(artifact)}</artifactId>"
        inner += f"<version>{escape(version)}</version>"
        inner += f"<classifier>{escape(classifier[0])}</classifier>" if classifier else ""
        items.append(f"      <artifactItem>{inner}</artifactItem>")
    return "\n".join(
        [
            "<project>",
            "  <modelVersion>4.0.0</modelVersion>",
            "  <groupId>streamquorum</groupId><artifactId>bundle</artifactId><version>1</version>",
            "  <packaging>pom</packaging>",
            "  <build><plugins><plugin>",
            "    <groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId>",
            "    <configuration><artifactItems>",
            *items,
            "    </artifactItems></configuration>",
            "  </plugin></plugins></build>",
            "</project>",
            "",
        ]
    )


def maven_command(output: str) -> list[str]:
    """Copies the artifacts of the pom in the working directory to `output`."""
    return ["mvn", "-q", "-B", "-ntp", "dependency:copy", f"-DoutputDirectory={output}"]


def pip_commands(python: str, version: str, wheel_python: str, output: str) -> list[list[str]]:
    """Downloads the two halves of a Flink release: the libraries (source archive) and the scripts (wheel).

    The wheel is the one for Linux on x86_64 everywhere, since only its scripts and configuration are taken.
    """
    download = [python, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", output]
    platforms = ["manylinux1_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64"]
    return [
        [*download, "--no-binary", ":all:", f"apache-flink-libraries=={version}"],
        [
            *download,
            "--only-binary",
            ":all:",
            "--python-version",
            wheel_python,
            *[word for platform in platforms for word in ("--platform", platform)],
            f"apache-flink=={version}",
        ],
    ]


# --- assembling: what the archive holds ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """One file of an archive: its content stands at `path`, or is `text`."""

    path: str = ""
    text: str = ""
    executable: bool = False


Tree = dict[str, Source]


def zookeeper_tree(jars: Iterable[str], extra: Iterable[tuple[str, str]]) -> Tree:
    """Jars in lib/; `extra` are (path in the archive, file): the wrappers in bin/ and what they need in conf/."""
    tree = {f"lib/{os.path.basename(jar)}": Source(jar) for jar in jars}
    for where, path in extra:
        tree[where] = Source(path, executable=where.startswith("bin/"))
    return tree


def flink_tree(libraries: Iterable[tuple[str, str]], scripts: Iterable[tuple[str, str]]) -> Tree:
    """The two halves laid over each other.

    Args:
        libraries: (path in the source archive, file): what stands under deps/ is the distribution's.
        scripts: (path in the wheel, file): bin/ and conf/ under pyflink/.
    """
    tree: Tree = {}
    for where, path in libraries:
        if where.startswith("deps/"):
            tree[where.removeprefix("deps/")] = Source(path)
    for where, path in scripts:
        inner = where.removeprefix("pyflink/")
        if inner != where and inner.startswith(("bin/", "conf/")):
            # A wheel is a zip without rights; in the official archive each script is executable.
            tree[inner] = Source(path, executable=inner.startswith("bin/"))
    return tree


def note(item: Item, components: Sequence[Mapping[str, Any]]) -> str:
    """What an assembled archive says about itself."""
    source = {"maven": "Maven Central", "pypi": "PyPI"}[item["kind"]]
    lines = [
        f"This is {item['name']} {item['version']} in the layout of the official archive {item['archive']},",
        f"assembled by StreamQuorum (playbooks/bundle.yml) from what the project publishes on {source}.",
        "It is not the official archive: its sum is the one in the bundle's manifest.json, and parts that are",
        f"published nowhere but in the official archive are missing. Small files of our own are in it ({NOTE}"
        + (", bin/, conf/)." if item["name"] == "zookeeper" else ")."),
        "",
        "Components and their sha512:",
        *[f"  {component['coordinates']}  {component['sha512']}" for component in components],
        "",
    ]
    return "\n".join(lines)


def pack(tree: Tree, top: str, path: str) -> None:
    """Writes a tar.gz that depends on names, contents and executable bits only: sorted, root's, without times.

    It is stored, not compressed: its content is jars, which are compressed already. Compressing a Flink again takes
    8 s and saves 5 %, on the controller; unpacking it takes four times as long, on each host.
    """
    with (
        open(path, "wb") as out,
        gzip.GzipFile(filename="", mode="wb", compresslevel=0, fileobj=out, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        folders = {""} | {name[:i] for name in tree for i, letter in enumerate(name) if letter == "/"}
        for name in sorted(folders | set(tree)):
            info = tarfile.TarInfo(f"{top}/{name}".rstrip("/"))
            if name in folders:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                continue
            source = tree[name]
            info.mode = 0o755 if source.executable else 0o644
            if not source.path:
                data = source.text.encode()
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
                continue
            with open(source.path, "rb") as content:
                info.size = os.fstat(content.fileno()).st_size
                tar.addfile(info, content)


# --- the bundle on disk ----------------------------------------------------------------------------------------------


class Bundle:
    """A bundle in `directory`. `run` runs a registry's client, `open_url` opens a URL or raises SourceError."""

    def __init__(self, directory: str, run: Runner, open_url: archive.Opener) -> None:
        self._directory = directory
        self._run = run
        self._open_url = open_url

    def manifest(self) -> Mapping[str, Any]:
        """The manifest, or an empty one. Raises ReleaseError for a file that is none."""
        path = os.path.join(self._directory, MANIFEST)
        try:
            with open(path, encoding="utf-8") as handle:
                found = json.load(handle)
        except FileNotFoundError:
            return {"archives": []}
        except ValueError as error:
            raise archive.ReleaseError(
                f"{path} is no manifest ({error}). Remove it and build the bundle again."
            ) from error
        return {"archives": list(found["archives"])}

    def sums(self, manifest: Mapping[str, Any], items: Sequence[Item]) -> dict[str, str]:
        """The sha512 of each file of these items that is there."""
        entries = [archive.bundle_entry(manifest, item["name"], item["version"]) for item in items]
        paths = {entry["file"]: os.path.join(self._directory, entry["file"]) for entry in entries if entry}
        present = [name for name, path in paths.items() if os.path.isfile(path)]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            found = pool.map(lambda name: archive.sha512_of(paths[name]), present)
            return dict(zip(present, found, strict=True))

    def fill(self, item: Item, mirrors: Sequence[str], use_apache: str, files: str, python: str) -> list[str]:
        """Puts one archive into the bundle; gives the sources that did not have it, and why.

        Args:
            item: of `plan`.
            mirrors: roots of Apache mirrors.
            use_apache: auto (Apache's if it can be reached, else assembled), always, never.
            files: directory with our own files for assembled archives, by name.
            python: interpreter whose pip downloads.

        Raises:
            ReleaseError: the archive can be had in none of the allowed ways.
        """
        # The name of the lock is the bundle's: one run at a time, since they share the manifest.
        with archive.workspace(os.path.join(self._directory, "bundle")) as work:
            failures: list[str] = []
            entry = None
            if use_apache != "never":
                entry = self._from_apache(item, apache_urls(mirrors, item), work, failures)
            if entry is None and use_apache == "always":
                raise archive.ReleaseError(
                    f"{item['archive']} cannot be had from Apache:"
                    + "".join(f"\n  {line}" for line in failures)
                    + "\nWith bundle_use_apache: auto it is assembled from package registries."
                )
            if entry is None:
                entry = self._assembled(item, files, python, work)
            path = os.path.join(work, "archive")
            entry |= {"sha512": archive.sha512_of(path), "size": os.path.getsize(path)}
            self._keep(path, entry)
            return failures

    def _keep(self, path: str, entry: Mapping[str, Any]) -> None:
        os.chmod(path, 0o644)
        _fsync(path)
        # The manifest follows the file: a run that is killed in between finds the file not to be what it says.
        os.rename(path, os.path.join(self._directory, entry["file"]))
        manifest = os.path.join(self._directory, MANIFEST)
        with open(manifest + ".new", "w", encoding="utf-8") as handle:
            json.dump(with_entry(self.manifest(), entry), handle, indent=2, sort_keys=True)
            handle.write("\n")
        _fsync(manifest + ".new")
        os.rename(manifest + ".new", manifest)

    def _from_apache(self, item: Item, urls: Sequence[str], work: str, failures: list[str]) -> dict[str, Any] | None:
        wanted, checked = item["sha512"], item["sha512_source"]
        if not wanted:
            try:
                wanted, checked = self._published(item)
            except archive.SourceError as error:
                failures.append(str(error))
                return None
        for url in urls:
            try:
                self._download(url, os.path.join(work, "archive"))
            except archive.SourceError as error:
                failures.append(f"{url}: {error}")
                continue
            archive.check_sum(archive.sha512_of(os.path.join(work, "archive")), wanted, url)
            return {
                "name": item["name"],
                "version": item["version"],
                "file": item["archive"],
                "origin": url,
                "checked_against": checked,
                "assembled": False,
                "components": [],
            }
        return None

    def _published(self, item: Item) -> tuple[str, str]:
        """The sum of an archive, and where Apache publishes it; never a mirror's word."""
        failures = []
        for url in published.urls(item["name"], item["version"], item["archive"]):
            try:
                with self._open_url(url) as stream:
                    return published.read_sum(stream.read(4096).decode("utf-8", "replace"), item["archive"]), url
            except (archive.SourceError, archive.ReleaseError) as error:
                failures.append(f"{url}: {error}")
        raise archive.SourceError("; ".join(failures))

    def _download(self, url: str, path: str) -> None:
        try:
            with self._open_url(url) as stream, open(path, "wb") as out:
                shutil.copyfileobj(stream, out, archive.BLOCK)
        except OSError as error:
            raise archive.SourceError(f"the download broke off: {error}") from error

    def _assembled(self, item: Item, files: str, python: str, work: str) -> dict[str, Any]:
        downloads = os.path.join(work, "downloads")
        os.mkdir(downloads)
        if item["kind"] == "maven":
            tree, components, origin = self._from_maven(item, files, downloads, work)
        else:
            tree, components, origin = self._from_pypi(item, python, downloads, work)
        tree[NOTE] = Source(text=note(item, components))
        pack(tree, top_directory(item["name"], item["version"]), os.path.join(work, "archive"))
        return {
            "name": item["name"],
            "version": item["version"],
            "file": item["archive"],
            "origin": f"assembled by StreamQuorum from {origin}",
            "checked_against": "",
            "assembled": True,
            "components": components,
        }

    def _from_maven(self, item: Item, files: str, downloads: str, work: str) -> tuple[Tree, list[dict[str, str]], str]:
        if not item["components"]:
            raise archive.ReleaseError(
                f"{item['name']} {item['version']} cannot be assembled: no set of jars is known for it. "
                f"Where Apache can be reached, put {item['archive']} into the bundle from there "
                "(bundle_use_apache: always), or choose a release that can be assembled."
            )
        _need("mvn", "maven")
        with open(os.path.join(work, "pom.xml"), "w", encoding="utf-8") as handle:
            handle.write(pom(item["components"]))
        self._client(maven_command(downloads), work, item, "Maven Central")
        jars = {name: os.path.join(downloads, name) for name in sorted(os.listdir(downloads))}
        components = []
        for artifact_id in item["components"]:
            _group, artifact, version, *classifier = artifact_id.split(":")
            name = "-".join([artifact, version, *classifier]) + ".jar"
            if name not in jars:
                raise archive.ReleaseError(
                    f"Maven did not bring {artifact_id} ({name}). Nothing was put into the bundle."
                )
            components.append({"coordinates": artifact_id, "file": name, "sha512": archive.sha512_of(jars[name])})
        extra = list(_walk(os.path.join(files, item["name"])))
        return zookeeper_tree(jars.values(), extra), components, "Maven Central"

    def _from_pypi(self, item: Item, python: str, downloads: str, work: str) -> tuple[Tree, list[dict[str, str]], str]:
        for command in pip_commands(python, item["version"], item["python"], downloads):
            self._client(command, work, item, "PyPI")
        names = sorted(os.listdir(downloads))
        libraries = next((name for name in names if name.endswith(".tar.gz")), "")
        wheel = next((name for name in names if name.endswith(".whl")), "")
        if not libraries or not wheel:
            raise archive.ReleaseError(f"pip brought {', '.join(names) or 'nothing'} for Flink {item['version']}.")
        unpacked = {"libraries": os.path.join(work, "libraries"), "wheel": os.path.join(work, "wheel")}
        for directory in unpacked.values():
            os.mkdir(directory)
        archive.unpack(os.path.join(downloads, libraries), unpacked["libraries"])
        with zipfile.ZipFile(os.path.join(downloads, wheel)) as content:
            for member in content.infolist():
                if member.filename.startswith(("pyflink/bin/", "pyflink/conf/")) and not member.is_dir():
                    content.extract(member, unpacked["wheel"])
        tree = flink_tree(_walk(unpacked["libraries"]), _walk(unpacked["wheel"]))
        components = [
            {
                "coordinates": f"{project}=={item['version']}",
                "file": name,
                "sha512": archive.sha512_of(os.path.join(downloads, name)),
            }
            for project, name in (("apache-flink-libraries", libraries), ("apache-flink", wheel))
        ]
        return tree, components, "PyPI"

    def _client(self, command: Sequence[str], work: str, item: Item, registry: str) -> None:
        rc, out = self._run(command, work)
        if rc == 0:
            return
        if "No module named pip" in out:
            raise archive.ReleaseError(
                f"{command[0]} has no pip, which downloads {item['name']} from {registry}. "
                "Install it (apt-get install python3-pip, or make setup) and run again."
            )
        raise archive.ReleaseError(
            f"{item['name']} {item['version']} could not be had from {registry} ({' '.join(command[:4])} … "
            f"ended with {rc}). Nothing was put into the bundle. Its last words:\n{_tail(out)}"
        )


def _need(command: str, package: str) -> None:
    if shutil.which(command) is None:
        raise archive.ReleaseError(
            f"{command} is not installed on this machine. Install the package {package} (apt-get install {package}) "
            "and run again, or build the bundle where Apache can be reached."
        )


def _tail(text: str, lines: int = 12) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def _walk(directory: str) -> Iterator[tuple[str, str]]:
    """(path relative to `directory`, path) of each file under it."""
    for folder, _folders, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            yield os.path.relpath(path, directory), path


def _fsync(path: str) -> None:
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())
