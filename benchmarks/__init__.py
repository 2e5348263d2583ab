"""Speed and memory: ``python -m benchmarks`` (``make bench``). Never part of the tests."""
