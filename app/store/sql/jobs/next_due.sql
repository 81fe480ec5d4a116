-- Returns in how many ms the next delayed job of :queue is due; no row if none is delayed. Index: jobs_later.
:_due
