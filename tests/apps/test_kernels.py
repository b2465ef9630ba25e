"""The readers' kernels end once, whoever asks for it and whoever stops waiting for it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from widgets.server.kernels import Kernels


@pytest.mark.parametrize("waits", [True, False], ids=["who still waits", "who gave up"])
def test_all_kernels_end_while_one_is_ended_for_another(tmp_path, waits):
    async def ended():
        running = Kernels(connection_dir=str(tmp_path), ready=1)
        kernel_id, client = await running._start_warm()
        client.stop_channels()
        another = asyncio.create_task(running._end(kernel_id))
        await asyncio.sleep(0.005)  # the kernel takes some 10 ms to end
        if not waits:
            another.cancel()
            await asyncio.sleep(0)
        await running.stop()
        return running.list_kernel_ids()

    with ThreadPoolExecutor() as beside:  # the browser of other tests has a loop in this thread
        assert beside.submit(asyncio.run, ended()).result() == []
