"""The devices of tests that run on the CPU and on a GPU. The case of the CPU proves the test itself."""

import pytest

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
