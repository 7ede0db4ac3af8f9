import asyncio

from my_actor.main import main

asyncio.run(main())
