"""What admins and auditors ask for: the consent log, numbers, who may do what."""
