"""What the CDS Hooks standard asks, as data: schemas that know a service or a client only by its messages."""
