"""Release archives: where they come from, how they are installed, and the bundle that carries them. Private to this collection."""
