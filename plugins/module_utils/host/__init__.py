"""One host: what is on it, how its files are written safely, and how one of its services takes a step. Private to this collection.

It knows no more of ZooKeeper and Flink than both have in common.
"""
