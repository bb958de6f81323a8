"""The examinations of --check, one module for each subject."""
