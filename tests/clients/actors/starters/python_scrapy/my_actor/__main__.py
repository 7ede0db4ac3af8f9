import os

os.environ["SCRAPY_SETTINGS_MODULE"] = "my_actor.settings"

from apify.scrapy import initialize_logging, run_scrapy_actor

from my_actor.main import main

if __name__ == "__main__":
    initialize_logging()
    run_scrapy_actor(main())
