from __future__ import annotations


def test_first(world):
    code, output = world.run("site.yml")
    print(output)
    for c in world.calls():
        print(c["host"], c["module"])
    assert code == 0
    assert world.stepped() == ["zk1", "zk2", "zk3"]
