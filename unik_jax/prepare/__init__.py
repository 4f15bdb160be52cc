"""The command that prepares a dataset, and the preview of one."""
