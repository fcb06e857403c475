"""Python's official SDK in realtime sessions through Loom; realtime.test.mjs starts the mock provider and Loom."""
import asyncio
import base64
import os
import unittest

import openai
from websockets.exceptions import InvalidStatus

ORIGIN = os.environ["LOOM_ORIGIN"]
KEY = os.environ["LOOM_KEY"]
WORDS = ["Grüße", " from", " the", " session", " 👋", "."]


class Realtime(unittest.TestCase):
    client = openai.OpenAI(base_url=f"{ORIGIN}/v1", api_key=KEY, max_retries=0, timeout=10)

    def test_a_session_in_words(self):
        with self.client.realtime.connect(model="voice") as connection:
            self.assertEqual(connection.recv().type, "session.created")
            connection.session.update(session={"type": "realtime", "instructions": "Grüße 世界"})
            updated = connection.recv()
            self.assertEqual((updated.type, updated.session.instructions), ("session.updated", "Grüße 世界"))
            connection.response.create()
            deltas = []
            for event in connection:
                if event.type == "response.output_text.delta":
                    deltas.append(event.delta)
                if event.type == "response.done":
                    break
            self.assertEqual(deltas, WORDS)
            self.assertEqual(event.response.usage.total_tokens, 275)

    def test_audio_both_ways(self):
        async def body():
            client = openai.AsyncOpenAI(base_url=f"{ORIGIN}/v1", api_key=KEY, max_retries=0, timeout=10)
            async with client.realtime.connect(model="gpt-realtime") as connection:
                piece = bytes(range(256)) * 800
                for _ in range(10):
                    await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
                await connection.response.create()
                async for event in connection:
                    if event.type == "response.output_audio.delta":
                        self.assertEqual(base64.b64decode(event.delta), piece * 10)
                    if event.type == "response.done":
                        return
        asyncio.run(body())

    def test_refusals_arrive_as_what_they_are(self):
        for model, status in [("gpt-busy", 429), ("gpt-nobody", 404)]:
            with self.assertRaises(InvalidStatus) as refused:
                with self.client.realtime.connect(model=model):
                    pass
            self.assertEqual(refused.exception.response.status_code, status)
