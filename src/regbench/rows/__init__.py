"""What is kept: rows and arrays, the store that packs them, locks. No torch in here."""
