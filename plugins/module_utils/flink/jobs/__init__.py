"""What a rolling restart of Flink must know of its jobs: read over REST, decided by pure functions.

What Flink's REST server answers is not of one moment (seen on 1.18.1, 1.20.5 and 2.3.0):

- `/jobs/overview` is of the moment; what `/jobs/<id>` and below answer is kept for 3 s (`web.refresh-interval`). So
  what runs is taken from the former, and the restarts of a job that has changed since then count as unknown.
- A TaskManager is missed by the cluster and by each job on its own: 1.18.1 listed jobs as RUNNING whose only
  TaskManager was registered no more. What proves that a job runs is a checkpoint that was triggered afterwards.
- Metrics are fetched in the background, at most every 10 s (`metrics.fetcher.update-interval`), and only when somebody
  asks: the first answer has none, a later one may be of the last question, however long ago. A count of restarts whose
  `uptime` does not fit to the job's last start is therefore of an earlier run, and counts as unknown.
- 1.20.5 answers "Cluster level default restart strategy" for a job whose options set another (`-Drestart-strategy.type`);
  1.18.1 and 2.3.0 name the job's own.
- The loss of one TaskManager costs a job one attempt for each of its unconnected parts that ran there: numRestarts went
  from 0 to 2 for a job of two parallel parts without an exchange.
- Without free slots for it a job uses up an attempt each `delay`: 7 attempts of 2 s were gone after 14 s.

Private to this collection.
"""
