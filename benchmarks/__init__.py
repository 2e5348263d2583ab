"""Speed and memory: ``python -m benchmarks`` (``make bench``). Never part of the tests."""

import umt_core  # noqa: F401  before torch is loaded: it says how torch's threads wait, as the app has it
