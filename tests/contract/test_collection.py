"""The same tree is the collection streamquorum.ha: it builds, installs, and tells what it has."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

ROOT = Path(__file__).parents[2]


def run(*command, **environment):
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1"} | environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("[a-z]*.py"))


def test_ansible_doc_shows_every_module():
    """A description with a colon is a mapping for YAML, and then none of the module's documentation can be shown."""
    names = [f"streamquorum.ha.{name}" for name in MODULES]
    shown = run("ansible-doc", "--type", "module", *names)
    assert [name for name in names if f"> MODULE {name} " not in shown] == []


def version_key(text):
    return tuple(int(part) for part in text.split("."))


#: Modules that a play of somebody else's may use: they say how a cluster is, or who may do what in it.
PUBLIC = {"flink_job_info", "leader_znode", "znode_acl", "znode_elections", "zookeeper_quorum"}


def test_a_module_says_since_when_it_is_there_what_its_modes_do_and_whose_it_is():
    shown = json.loads(
        run("ansible-doc", "--type", "module", "--json", *(f"streamquorum.ha.{name}" for name in MODULES))
    )
    version = version_key(yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"])
    for name in MODULES:
        document = shown[f"streamquorum.ha.{name}"]["doc"]
        assert version_key(document["version_added"]) <= version, name
        assert document["attributes"]["check_mode"]["support"] == "full", name
        assert document["attributes"]["diff_mode"]["description"], name
        internal = "may change with any release" in " ".join(document["description"])
        assert internal == (name not in PUBLIC), name


class SpecificationError(Exception):
    """Ends a module where it tells its arguments."""


#: Those that are an action plugin alone have none.
WITH_ARGUMENTS = sorted(
    path.stem for path in (ROOT / "plugins/modules").glob("[a-z]*.py") if "def main(" in path.read_text()
)


@pytest.mark.parametrize("name", WITH_ARGUMENTS)
def test_a_module_takes_the_options_that_it_documents(name, monkeypatch):
    """One that is documented and not taken fails on every host, and in no test that replaces the module."""

    def see(_self, argument_spec, **_more):
        raise SpecificationError(sorted(argument_spec))

    monkeypatch.setattr(AnsibleModule, "__init__", see)
    module = importlib.import_module(f"ansible_collections.streamquorum.ha.plugins.modules.{name}")
    document = yaml.safe_load(module.DOCUMENTATION)
    documented = set(document["options"])
    for fragment in document.get("extends_documentation_fragment", []):
        file, *part = fragment.removeprefix("streamquorum.ha.").split(".")
        shared = importlib.import_module(f"ansible_collections.streamquorum.ha.plugins.doc_fragments.{file}")
        text = getattr(shared.ModuleDocFragment, part[0].upper() if part else "DOCUMENTATION")
        documented |= set(yaml.safe_load(text).get("options", {}))
    with pytest.raises(SpecificationError) as seen:
        module.main()
    assert seen.value.args[0] == sorted(documented)


#: Packs modules as Ansible does it for a host. In a process of its own: Ansible's loader takes over the imports.
PACK = """
import sys
from pathlib import Path
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar

folder, *names = sys.argv[1:]
init_plugin_loader()
for name in names:
    found = module_loader.find_plugin_with_context(f"streamquorum.ha.{name}")
    packed = modify_module(
        module_name=found.resolved_fqcn,
        module_path=found.plugin_resolved_path,
        module_args={"no_such_argument": 1, "_ansible_remote_tmp": folder},
        templar=Templar(loader=DataLoader()),
        task_vars={"ansible_python_interpreter": sys.executable},
    )
    Path(folder, name).write_bytes(packed.b_module_data)
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    run(sys.executable, "-c", PACK, str(folder), *WITH_ARGUMENTS)
    return folder


@pytest.mark.parametrize("name", WITH_ARGUMENTS)
def test_a_module_runs_as_it_is_packed_for_a_host(packed, name):
    """With what Ansible puts into its archive, and nothing else: neither the collection nor a library is there."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", packed / name], capture_output=True, text=True, timeout=120, check=False
    )
    said = json.loads(done.stdout)["msg"]
    assert said.startswith(("Unsupported parameters for", "missing required arguments")), said


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    run("ansible-galaxy", "collection", "build", "--output-path", str(folder))
    (archive,) = folder.glob("streamquorum-ha-*.tar.gz")
    command = [
        "ansible-galaxy",
        "collection",
        "install",
        str(archive),
        "-p",
        str(folder / "c"),
        "--offline",
        "--no-deps",
    ]
    run(*command, ANSIBLE_COLLECTIONS_PATH=str(folder / "c"))
    return archive, folder / "c"


def test_it_holds_what_an_operator_needs_and_nothing_else(installed):
    archive, _path = installed
    with tarfile.open(archive) as content:
        names = {name.split("/")[0] for name in content.getnames()}
    assert {"playbooks", "plugins", "roles", "meta", "README.md", "docs"} <= names
    assert not names & {"molecule", "tests", "tools", "inventory", ".lab", ".bundle", ".venv", ".git", "build"}
    assert archive.stat().st_size < 2_000_000


@pytest.mark.parametrize(
    ("kind", "folder"), [("module", "plugins/modules"), ("role", "roles")], ids=["modules", "roles"]
)
def test_the_installed_copy_documents_everything(installed, kind, folder):
    _archive, path = installed
    wanted = {f"streamquorum.ha.{entry.stem}" for entry in (ROOT / folder).iterdir() if not entry.name.startswith("_")}
    listed = json.loads(
        run("ansible-doc", "-t", kind, "-l", "-j", "streamquorum.ha", ANSIBLE_COLLECTIONS_PATH=str(path))
    )
    assert set(listed) == wanted
    if kind == "module":
        documented = json.loads(
            run("ansible-doc", "-t", kind, "-j", *sorted(wanted), ANSIBLE_COLLECTIONS_PATH=str(path))
        )
        for name, entry in documented.items():
            assert entry["examples"], name
            assert entry["return"], name


PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_verb_is_found_by_its_name_in_the_collection(installed, name):
    """With the phases, files and tasks that it imports."""
    _archive, path = installed
    command = ["ansible-playbook", "--syntax-check", "-i", "inventory/example", f"streamquorum.ha.{name}"]
    run(*command, ANSIBLE_COLLECTIONS_PATH=str(path))


def test_a_verb_of_the_installed_collection_compares_with_its_own_roles(installed):
    _archive, path = installed
    command = ["ansible-playbook", "-i", "inventory/example", "streamquorum.ha.site", "-e", "zookeeper_quorum_prt=1"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(path)},
        check=False,
    )
    assert "Is zookeeper_quorum_port meant?" in done.stdout, done.stdout + done.stderr
