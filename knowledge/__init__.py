"""The guideline as data, and the pure reading of a chart against it: no web framework, no FHIR classes."""
