"""The CDS Hooks service: the only place that knows Flask and FHIR."""
