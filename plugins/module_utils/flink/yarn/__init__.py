"""What Flink on YARN rests on: the ResourceManagers, what their configuration allows, and the application. Private to this collection."""
