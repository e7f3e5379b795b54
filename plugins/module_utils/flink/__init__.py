"""A Flink cluster: its services and options, who leads it, and how its jobs fare. Private to this collection."""
