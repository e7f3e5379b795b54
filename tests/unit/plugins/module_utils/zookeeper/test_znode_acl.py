"""ACLs of znodes: what a declaration is, what differs, and that nobody is locked out. A real ensemble: scenario acl."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import znode_acl
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import Grant
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import AuthRefused
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.znode_acl import (
    OPEN,
    READABLE,
    AclError,
    Declared,
)

OWN = frozenset({Grant("sasl", "flink@X", "cdrwa")})


class Tree:
    """An ensemble's nodes: path -> ACL."""

    session_id = 0x1F

    def __init__(self, *, is_super=True, **nodes):
        self.nodes = {"/": OPEN} | {path.replace("_", "/"): acl for path, acl in nodes.items()}
        self.is_super = is_super
        self.proofs = 0
        self.vanishing = set()

    def get_acls(self, path):
        found = self.nodes.get(path)
        return None if found is None else list(found)

    def set_acls(self, path, grants):
        if path not in self.nodes:
            return False
        self.nodes[path] = frozenset(grants)
        return True

    def children(self, path):
        if path not in self.nodes:
            return None
        prefix = path.rstrip("/") + "/"
        found = sorted(
            {each[len(prefix) :].split("/")[0] for each in self.nodes if each.startswith(prefix) and each != "/"}
        )
        return found + sorted(self.vanishing)

    def create(self, path, data=b"", ephemeral=False, grants=None):
        if ephemeral:
            self.proofs += 1
            return True
        if path in self.nodes:
            return False
        assert path.rpartition("/")[0] in {"", *self.nodes}, f"{path} before its parent"
        self.nodes[path] = frozenset(grants)
        return True

    def read(self, path):
        if not self.is_super:
            raise AuthRefused("not permitted")
        return object()


def run(tree, *nodes):
    outcome = znode_acl.look(tree, nodes)
    znode_acl.apply(tree, outcome)
    return outcome


def test_a_missing_node_is_made_with_its_parents_and_nothing_changes_then():
    tree = Tree()
    wanted = [Declared("/flink/a", READABLE), Declared("/flink/a/b", OWN, below=True)]
    outcome = run(tree, *wanted)
    assert outcome.created == ["/flink", "/flink/a", "/flink/a/b"]
    assert tree.nodes == {"/": OPEN, "/flink": READABLE, "/flink/a": READABLE, "/flink/a/b": OWN}
    assert not run(tree, *wanted).after
    assert tree.proofs == 1, "who we are is proved where something is changed only"


def test_a_parent_that_is_there_keeps_its_acl():
    tree = Tree(_app=OWN)
    run(tree, Declared("/app/orders", READABLE))
    assert tree.nodes["/app"] == OWN


def test_what_is_below_gets_the_same_and_what_vanishes_is_left_alone():
    tree = Tree(_flink=OPEN, _flink_a=OPEN, _flink_a_x=OPEN, _flink_a_y=OWN, _other=OPEN)
    tree.vanishing = {"gone"}
    outcome = run(tree, Declared("/flink/a", OWN, below=True))
    assert outcome.rewritten == ["/flink/a", "/flink/a/x"]
    assert tree.nodes["/flink"] == tree.nodes["/other"] == OPEN
    del tree.nodes["/flink/a/x"]
    outcome.before["/flink/a/x"] = OPEN
    znode_acl.apply(tree, outcome)
    assert "/flink/a/x" not in tree.nodes


def test_the_servers_own_nodes_are_not_rewritten_from_above():
    tree = Tree(_zookeeper=OPEN, _zookeeper_quota=OPEN, _app=OPEN)
    assert run(tree, Declared("/", OWN, below=True)).rewritten == ["/", "/app"]


def test_the_later_declaration_decides():
    tree = Tree(_a=OPEN, _a_b=OPEN)
    run(tree, Declared("/a", OWN, below=True), Declared("/a/b", READABLE))
    assert (tree.nodes["/a"], tree.nodes["/a/b"]) == (OWN, READABLE)


@pytest.mark.parametrize("wanted", [READABLE, OWN])
def test_who_is_no_super_user_changes_nothing(wanted):
    tree = Tree(_a=OPEN, is_super=False)
    with pytest.raises(AclError, match="credentials for those of a super user"):
        run(tree, Declared("/a", wanted))
    assert tree.nodes["/a"] == OPEN


def test_an_id_that_is_named_twice_has_both():
    given = {
        "path": "/a",
        "acl": [{"scheme": "sasl", "id": "x", "perms": "r"}, {"scheme": "sasl", "id": "x", "perms": "wc"}],
    }
    assert znode_acl.declared(given).acl == frozenset({Grant("sasl", "x", "crw")})


def test_permissions_have_the_bits_of_zookeeper():
    for letter, bit in {"r": 1, "w": 2, "c": 4, "d": 8, "a": 16}.items():
        assert Grant("world", "anyone", letter).bits == bit
        assert Grant.of_bits("world", "anyone", bit).perms == letter
    assert Grant.of_bits("world", "anyone", 31).perms == "cdrwa"


def test_of_a_digest_the_name_is_shown_only():
    assert znode_acl.shown(frozenset({Grant("digest", "app:canary", "r")})) == ["digest:app:…:r"]


GOOD = [{"scheme": "sasl", "id": "x", "perms": "r"}]


@pytest.mark.parametrize(
    ("path", "grants", "words"),
    [
        ("flink", GOOD, "no path of a znode"),
        ("/flink/", GOOD, "no path of a znode"),
        ("/a//b", GOOD, "no path of a znode"),
        ("/a/../b", GOOD, "does not take"),
        ("/a", [], "lock out everybody"),
        ("/a", "world:anyone:r", "no list"),
        ("/a", [{"scheme": "sasl", "id": "x"}], "not of scheme, id and perms"),
        ("/a", [{"scheme": "auth", "id": "x", "perms": "r"}], "the scheme 'auth'"),
        ("/a", [{"scheme": "world", "id": "all", "perms": "r"}], "world knows anyone only"),
        ("/a", [{"scheme": "sasl", "id": "", "perms": "r"}], "the id ''"),
        ("/a", [{"scheme": "sasl", "id": "x", "perms": "rx"}], "not letters of cdrwa"),
        ("/a", [{"scheme": "sasl", "id": "x", "perms": ""}], "not letters of cdrwa"),
        ("/a", [{"scheme": "sasl", "id": "x", "perms": "rr"}], "each once"),
    ],
)
def test_what_is_no_declaration_is_refused(path, grants, words):
    (told,) = znode_acl.zookeeper_acl_problems({path: grants}, "offered")
    assert told.startswith("zookeeper_acls: ")
    assert words in told
    with pytest.raises(AclError):
        znode_acl.declared({"path": path, "acl": grants})


def test_good_declarations_are_taken_parents_first():
    given = {"/a/b": GOOD, "/": GOOD, "/a": GOOD}
    assert znode_acl.zookeeper_acl_problems(given, "required") == []
    paths = [entry["path"] for entry in znode_acl.entries(given)]
    assert [path for path in paths if path not in znode_acl.BESIDE] == ["/", "/a", "/a/b"]


def test_a_closed_top_is_closed_where_nobody_looks_too():
    other = [{"scheme": "sasl", "id": "y", "perms": "c"}]
    found = {entry["path"]: entry["acl"] for entry in znode_acl.entries({"/": GOOD, "/zookeeper/quota": other})}
    assert found == {"/": GOOD, "/zookeeper": GOOD, "/zookeeper/quota": other}
    assert [entry["path"] for entry in znode_acl.entries({"/a": GOOD})] == ["/a"]


def test_without_identities_nothing_is_closed():
    assert "zookeeper_client_auth is none" in znode_acl.zookeeper_acl_problems({"/": GOOD}, "none")[0]
    assert znode_acl.zookeeper_acl_problems({}, "none") == []
    assert "no map" in znode_acl.zookeeper_acl_problems([GOOD], "offered")[0]


def test_nodes_that_nobody_could_use_without_identities_are_named():
    found = {
        "/": ["world:anyone:r"],
        "/a": ["sasl:x:cdrwa"],
        "/b": ["sasl:x:cdrwa", "world:anyone:r"],
        "/ip": ["ip:10.0.0.0/8:cdrwa", "sasl:x:r"],
        "/digest": ["digest:app:…:r"],
        "/open": ["sasl:x:r", "world:anyone:cdrwa"],
    }
    assert znode_acl.locked_nodes(found) == ["/", "/a", "/b"]
    (told,) = znode_acl.locked_problems(found, 9)
    assert "of 9 nodes 3" in told
    assert znode_acl.locked_problems({"/open": found["/open"]}, 9) == []
