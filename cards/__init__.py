"""From an appraisal to what the clinician sees: cards, suggestions, and their form on the wire."""
