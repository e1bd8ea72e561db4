"""Fixtures of the experiments' tests."""

import pytest

from tests.experiments.mongo_server import MongoServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A MongoDB server that stays for a file's tests; runs of other tests are in it, too."""
    server = MongoServer(tmp_path_factory.mktemp("server")).start()
    yield server
    server.kill()
