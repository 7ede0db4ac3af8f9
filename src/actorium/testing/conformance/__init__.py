"""One suite for each port, run by every implementation of it.

Subclass a suite, give it the fixture it asks for, declare what the implementation can do, and run pytest:

    class TestMine(BlobsConformance):
        @pytest.fixture
        async def blobs(self, tmp_path):
            return await Mine.open(tmp_path)

Fixtures are closed by the suite. Suites need ``pytest`` and ``anyio``.
"""
