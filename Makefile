# The two commands of the README are `make serve` and `make test`.
.PHONY: help serve test setup lock check fuzz benchmark reliability transcripts evaluate


help:
	@echo "make serve   set up, train and serve the bot with its page on http://127.0.0.1:8080"
	@echo "make test    set up and run every check and test"
	@echo "make setup   only set up and train"
	@echo "make check   only the quick checks: style, types, imports"
	@echo "make lock    renew the lock files from pyproject.toml"
	@echo "make benchmark    measure turns and the page, into docs/benchmarks.md and docs/web.md"
	@echo "make reliability  load, kill and hurt real servers for an hour, into docs/reliability.md"
	@echo "make evaluate     score the reading of labelled messages, into docs/evaluation.md"
	@echo "make fuzz         10,000 hostile inputs at a real server, counted in docs/fuzz.json"
	@echo "make transcripts  play four talks over HTTP and two on messengers, into docs/transcripts"

serve: setup
	@.venv/bin/plateau serve

setup:
	@python3 scripts/setup.py

test:
	@python3 scripts/setup.py --tests
	@scripts/check
	@scripts/test

check:
	@scripts/check

lock:
	@scripts/lock

benchmark: setup
	@.venv/bin/python benchmarks/turn.py
	@.venv/bin/python benchmarks/million.py
	@.venv/bin/python benchmarks/web.py

fuzz:
	@python3 scripts/setup.py --tests
	@.venv/bin/python scripts/fuzz.py

reliability: setup
	@.venv/bin/python -m benchmarks.reliability --long

transcripts: setup
	@.venv/bin/python scripts/transcripts.py
	@PLATEAU_WRITE_TRANSCRIPTS=1 .venv/bin/python -m pytest -q tests/channels/test_sms_talk.py tests/channels/test_telegram_talk.py tests/channels/test_forgeries.py

evaluate: setup
	@.venv/bin/python scripts/evaluate.py
