"""JSON Schemas of the messages of CDS Hooks."""
