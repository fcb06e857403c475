"""Python's official openai and google-genai packages between two clients of one provider's key; stored.test.mjs starts both sides."""
import io
import os
import unittest

import openai
from google import genai
from google.genai import errors as google_errors
from google.genai import types


def client(name):
    return openai.OpenAI(base_url=f"{os.environ['LOOM_ORIGIN']}/v1", api_key=os.environ[name], max_retries=0, timeout=10)


class Stored(unittest.TestCase):
    def setUp(self):
        self.one, self.other = client("LOOM_KEY"), client("LOOM_OTHER_KEY")
        self.addCleanup(self.one.close)
        self.addCleanup(self.other.close)

    def test_files_are_their_makers_and_lists_are_read_to_their_end(self):
        own = {file.id for file in self.other.files.list(limit=1)}
        mine = [self.one.files.create(file=("f.jsonl", b"{}"), purpose="batch").id for _ in range(3)]
        own.add(self.other.files.create(file=("f.jsonl", b"{}"), purpose="batch").id)
        self.assertEqual({file.id for file in self.other.files.list(limit=1)}, own)
        self.assertTrue(own.isdisjoint(mine))
        self.assertEqual(self.one.files.content(mine[0]).read(), b"content")
        for call in (self.other.files.retrieve, self.other.files.content, self.other.files.delete):
            with self.assertRaises(openai.NotFoundError):
                call(mine[0])
        with self.assertRaises(openai.NotFoundError):
            self.other.batches.create(input_file_id=mine[0], endpoint="/v1/responses", completion_window="24h")

    def test_a_streamed_response_is_gone_on_with_by_who_made_it(self):
        with self.one.responses.stream(model="gpt-4o", input="hi") as stream:
            first = stream.get_final_response()
        again = self.one.responses.create(model="gpt-4o", input="on", previous_response_id=first.id)
        self.assertEqual(again.previous_response_id, first.id)
        with self.assertRaises(openai.NotFoundError):
            self.other.responses.create(model="gpt-4o", input="on", previous_response_id=first.id)
        with self.assertRaises(openai.NotFoundError):
            self.other.responses.retrieve(first.id)

    def test_geminis_files_are_their_uploaders(self):
        def gemini(name):
            options = types.HttpOptions(base_url=os.environ["LOOM_ORIGIN"], timeout=20_000)
            return genai.Client(api_key=os.environ[name], http_options=options)

        one, other = gemini("LOOM_KEY"), gemini("LOOM_OTHER_KEY")
        config = {"mime_type": "text/plain"}
        size = 9 << 20  # two pieces, which bring no key
        file = one.files.upload(file=io.BytesIO(b"x" * size), config=config)
        self.assertEqual(file.size_bytes, size)
        theirs = other.files.upload(file=io.BytesIO(b"y"), config=config)
        self.assertNotIn(theirs.name, [each.name for each in one.files.list(config={"page_size": 1})])
        self.assertIn(file.name, [each.name for each in one.files.list(config={"page_size": 1})])
        self.assertEqual(one.models.generate_content(model="gemini-2.5-flash", contents=[file]).text, "seen")
        for call in (
            lambda: other.files.get(name=file.name),
            lambda: other.files.delete(name=file.name),
            lambda: other.models.generate_content(model="gemini-2.5-flash", contents=[file]),
        ):
            with self.assertRaises(google_errors.ClientError) as caught:
                call()
            self.assertEqual(caught.exception.code, 404)
        one.files.delete(name=file.name)
        other.files.delete(name=theirs.name)


if __name__ == "__main__":
    unittest.main()
