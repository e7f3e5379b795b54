"""Who leads Flink: layouts of its znodes, the decoder of their data, the election, and the verdict.

Flink's JobManagers elect through Curator's LeaderLatch (children with a sequence number, the lowest wins), and the winner
writes where it is reached into an ephemeral node. Nothing here trusts that data: any client may have written it.

Private to this collection.
"""
