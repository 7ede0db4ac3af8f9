"""``python -m site_crawler``: on a platform as well as on a desk."""

import asyncio

from site_crawler.main import main

asyncio.run(main())
