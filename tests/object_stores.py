"""Servers of the protocols of object stores on loopback, for tests."""

import urllib.request

import boto3
import pytest
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer


@pytest.fixture
def s3(monkeypatch):
    """A client of a server of its own, with an empty bucket `songs`; also for started programs."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="songs")
    yield client
    server.stop()


@pytest.fixture
def gs(monkeypatch):
    """A file system of a server of its own, with an empty bucket `songs`; also for programs."""
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    import gcsfs

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="songs")
    server.start()
    host, port = server._api._httpd.server_address
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{host}:{port}")
    yield gcsfs.GCSFileSystem(token="anon", skip_instance_cache=True)
    server.stop()


def keys(client, bucket="songs"):
    """Names of all objects of a bucket."""
    return sorted(one["Key"] for one in client.list_objects_v2(Bucket=bucket).get("Contents", ()))
