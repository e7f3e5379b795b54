"""The ensemble: its configuration and stages, how its servers are asked, and the verdict on them. Private to this collection."""
