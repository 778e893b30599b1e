"""Every sentence a clinician reads. The gallery of cards is rendered from these and reviewed word by word."""
