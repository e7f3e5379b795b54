"""What everything else stands on: how a majority is counted, how something is waited for, generations, how a member is described,
which texts are secret. Private to this collection.

It imports nothing of the collection, and nothing here knows ZooKeeper, Flink or a host.
"""
