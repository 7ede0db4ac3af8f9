"""A web server on the run's port, until somebody asks for /leave."""

import asyncio
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apify import Actor

leave = asyncio.Event()


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = f"You asked for {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        if self.path == "/leave":
            self.server.loop.call_soon_threadsafe(leave.set)


async def main() -> None:
    async with Actor:
        server = ThreadingHTTPServer(("", Actor.configuration.web_server_port), Pages)
        server.loop = asyncio.get_running_loop()
        serving = asyncio.create_task(asyncio.to_thread(server.serve_forever))
        Actor.log.info("Serving")
        await leave.wait()
        server.shutdown()
        await serving
