"""What is measured, not asserted: speed, reading, the page, and the runs that hurt the server on purpose."""
