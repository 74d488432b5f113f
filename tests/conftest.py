# SPDX-License-Identifier: Apache-2.0
"""For all tests: what their harness (tests/mount/harness.py) keeps running is ended, and must end well."""
import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def end_of_session():
    yield
    if "harness" in sys.modules:
        sys.modules["harness"].end_cats()
