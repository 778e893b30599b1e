"""What CDS Hooks asks, as schemas and as a kit of checks that knows a service only by its URL."""
