-- What is locked has a place beyond the present: the index of the places finds it, and that of the locks is one too many.
-- Lists in the order of the queue tell equal places apart by the id.

DROP INDEX queue_requests_locks;
DROP INDEX queue_requests_order;
CREATE INDEX queue_requests_places ON queue_requests (queue_id, order_no, id) WHERE order_no IS NOT NULL;
