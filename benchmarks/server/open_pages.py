"""What open pages cost: `python -m benchmarks.server.open_pages` prints what share of a core the server computes.

A server with one worker trains a sweep, and clients keep its page open as browsers do: a stream of events each, the
page once more after an event, its charts where they are older than two seconds, and the page every 15 seconds anyway.
What is told is the processor's time of the server's process; the goal is that of 50 pages, less that of none.
"""

import argparse
import asyncio
import contextlib
import json
import re
import signal
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.server.latency import cpu_ms
from tests.support.up_process import up

GOAL = 0.05  # of a core
POLL_SECONDS, THROTTLE_SECONDS, REDRAW_SECONDS = 15.0, 0.5, 2.0  # of app/web/static
BODY = {
    "name": "runs",
    "dataset": "digits",
    "space": {
        "hidden_units": [8, 16, 32, 64],
        "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
        "epochs": 400,
    },
    "sampler": "random",
}


class OpenPage:
    """A browser with the page of a sweep."""

    def __init__(self, client: httpx2.AsyncClient, path: str) -> None:
        self._client, self._path = client, path
        self._news = asyncio.Event()
        self._drawn: dict[str, float] = {}  # charts, by their address, with when
        self._seen = 0  # the revision that it shows, or has heard of
        self.fetched = 0

    async def stay_open(self) -> None:
        """Follows the events until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._refresh())

    async def _listen(self) -> None:
        async with self._client.stream("GET", f"/api/v1{self._path}/events", timeout=None) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    self._seen = json.loads(line.removeprefix("data:"))["revision"]
                    self._news.set()

    async def _refresh(self) -> None:
        while True:
            page = await self._get(self._path, {"HX-Request": "true"})
            self._seen = max([self._seen, *map(int, re.findall(r'id="live"[^>]*data-revision="(\d+)"', page))])
            shown = page.split('id="further-charts"')[0]
            for address in re.findall(r'id="(?:effect|history|curves)"\s+data-src="([^"]+)"', shown):
                if time.monotonic() - self._drawn.get(address, 0.0) >= REDRAW_SECONDS:
                    self._drawn[address] = time.monotonic()
                    await self._get(address.replace("&amp;", "&"), {"Accept": "application/json"})
            await asyncio.sleep(THROTTLE_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), POLL_SECONDS)
            self._news.clear()

    async def _get(self, address: str, headers: dict[str, str]) -> str:
        self.fetched += 1
        headers = headers | {"X-Seen-Revision": str(self._seen)}
        return (await self._client.get(address, headers=headers)).raise_for_status().text


async def open_pages(url: str, path: str, count: int, seconds: float, pid: int) -> tuple[float, float]:
    """The share of a core that the server computes meanwhile, and its answers a second."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        pages = [OpenPage(client, path) for _ in range(count)]
        tasks = [asyncio.create_task(page.stay_open()) for page in pages]
        await asyncio.sleep(5)  # until all are open
        begin, computed, fetched = time.monotonic(), cpu_ms(pid), sum(page.fetched for page in pages)
        await asyncio.sleep(seconds)
        elapsed = time.monotonic() - begin
        share = (cpu_ms(pid) - computed) / 1e3 / elapsed
        rate = (sum(page.fetched for page in pages) - fetched) / elapsed
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return share, rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, nargs="+", default=[0, 1, 10, 50], help="how many are open, in turns")
    parser.add_argument("--seconds", type=float, default=25, help="of each")
    parser.add_argument("--trials", type=int, default=400, help="of the sweep, which must outlast the seconds")
    options = parser.parse_args()
    print("| open pages | of a core | answers a second | goal |\n|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory(prefix="perceptune-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with up(Path(folder), "--workers", "1", "--home", f"{folder}/home") as server:
            idle = 0.0
            for count in options.pages:
                body = BODY | {"n_trials": options.trials}
                sweep = httpx2.post(f"{server.url}/api/v1/sweeps", json=body).raise_for_status().json()["id"]
                time.sleep(5)
                path, pid = f"/sweeps/{sweep}", server.process.pid
                share, rate = asyncio.run(open_pages(server.url, path, count, options.seconds, pid))
                state = httpx2.get(f"{server.url}/api/v1{path}").raise_for_status().json()["state"]
                if state != "running":  # pages of a sweep that has ended hear of nothing
                    raise SystemExit(f"the sweep is {state}: give fewer --seconds or more --trials")
                httpx2.post(f"{server.url}/api/v1{path}/cancel").raise_for_status()
                idle = share if count == 0 else idle
                is_kept = share - idle <= GOAL
                print(f"| {count} | {share:.1%} | {rate:.1f} | {'' if is_kept else 'MISSED'} |", flush=True)
            server.end(signal.SIGINT)


if __name__ == "__main__":
    main()
