"""What everything else stands on: how a majority is counted, generations, and which texts hold a secret. Private to this collection.

It imports nothing of the collection, and nothing here knows ZooKeeper, Flink or a host.
"""
