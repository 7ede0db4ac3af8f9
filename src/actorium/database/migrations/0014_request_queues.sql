-- What is locked has a place beyond the present: the index of the places finds it, and the one of the locks is one too many.

DROP INDEX queue_requests_locks;
