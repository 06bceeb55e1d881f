"""Reading, resampling, the log-mel front end and augmentation. Imports nothing else of this package but its errors."""
