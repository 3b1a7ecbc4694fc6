"""Load, kill and fault runs over HTTP against real servers; `python -m benchmarks.reliability --help`."""
