"""From many runs to an answer: reading run folders, statistics over folds, seeds and speakers, tables, the report."""
