"""Python's official SDKs through Loom to each family of providers; python.test.mjs starts those and Loom."""
import base64
import json
import os
import unittest

import anthropic
import openai
from google import genai
from google.genai import errors as google_errors
from google.genai import types

ORIGIN = os.environ["LOOM_ORIGIN"]
KEY = os.environ["LOOM_KEY"]
MODELS = json.loads(os.environ["LOOM_MODELS"])
CHAT_FAMILIES = ["chat", "openai", "anthropic", "gemini", "bedrock"]
HELLO = "Grüße from the upstream 👋."
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMAS = {
    "get_weather": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "get_time": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]},
}
CALLS = [("get_weather", {"city": "Zürich"}), ("get_time", {"zone": "CET"})]
TOLD = 'Told: get_weather({"city":"Zürich"})=21; get_time({"zone":"CET"})=12:00'
RESULTS = ["21", "12:00"]


class Families(unittest.TestCase):
    """Runs a body for each family of providers, as a subtest of its own."""

    def each(self, families, body):
        for family in families:
            with self.subTest(family=family):
                body(MODELS[family])


class OpenAIChat(Families):
    client = openai.OpenAI(base_url=f"{ORIGIN}/v1", api_key=KEY, max_retries=0, timeout=10)
    tools = [{"type": "function", "function": {"name": n, "parameters": s}} for n, s in SCHEMAS.items()]

    def test_whole_and_streamed(self):
        def body(model):
            terms = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
            answer = self.client.chat.completions.create(**terms)
            self.assertEqual(answer.choices[0].message.content, HELLO)
            usage = answer.usage
            self.assertEqual((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (13, 12, 25))
            stream = self.client.chat.completions.create(**terms, stream=True)
            self.assertEqual("".join(part.choices[0].delta.content or "" for part in stream if part.choices), HELLO)
        self.each(CHAT_FAMILIES, body)

    def test_tools(self):
        def body(model):
            messages = [{"role": "user", "content": "both"}]
            with self.client.chat.completions.stream(model=model, messages=messages, tools=self.tools) as stream:
                message = stream.get_final_completion().choices[0].message
            calls = message.tool_calls
            self.assertEqual([(c.function.name, json.loads(c.function.arguments)) for c in calls], CALLS)
            dumped = message.model_dump(exclude_none=True, exclude={"parsed": True})
            for call in dumped["tool_calls"]:
                call["function"].pop("parsed_arguments", None)
                call.pop("index", None)
            messages += [dumped] + [
                {"role": "tool", "tool_call_id": c.id, "content": r} for c, r in zip(calls, RESULTS)]
            final = self.client.chat.completions.create(model=model, messages=messages, tools=self.tools)
            self.assertEqual(final.choices[0].message.content, TOLD)
        self.each(CHAT_FAMILIES, body)

    def test_image_and_errors(self):
        def body(model):
            parts = [{"type": "text", "text": "look"},
                     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]
            answer = self.client.chat.completions.create(model=model, messages=[{"role": "user", "content": parts}])
            self.assertEqual(answer.choices[0].message.content, "image/png:intact")
            for status, kind in [(400, openai.BadRequestError), (403, openai.PermissionDeniedError),
                                 (429, openai.RateLimitError), (500, openai.InternalServerError)]:
                with self.assertRaises(kind) as caught:
                    self.client.chat.completions.create(
                        model=model, messages=[{"role": "user", "content": f"error {status}"}])
                self.assertIn(f"scripted {status}", str(caught.exception))
        self.each(CHAT_FAMILIES, body)

    def test_a_broken_stream_raises(self):
        def body(model):
            stream = self.client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "break"}], stream=True)
            with self.assertRaises(Exception):
                for _ in stream:
                    pass
        self.each(CHAT_FAMILIES, body)


class OpenAIResponses(Families):
    client = OpenAIChat.client
    tools = [{"type": "function", "name": n, "parameters": s, "strict": False} for n, s in SCHEMAS.items()]

    def test_tools(self):
        def body(model):
            conversation = [{"role": "user", "content": "both"}]
            with self.client.responses.stream(model=model, input=conversation, tools=self.tools, store=False) as stream:
                answer = stream.get_final_response()
            calls = [item for item in answer.output if item.type == "function_call"]
            self.assertEqual([(c.name, json.loads(c.arguments)) for c in calls], CALLS)
            for item in answer.output:
                conversation.append(item.model_dump(exclude_none=True, exclude={"parsed_arguments"}))
            conversation += [{"type": "function_call_output", "call_id": c.call_id, "output": r}
                             for c, r in zip(calls, RESULTS)]
            final = self.client.responses.create(model=model, input=conversation, tools=self.tools, store=False)
            self.assertEqual(final.output_text, TOLD)
            self.assertEqual((final.usage.input_tokens, final.usage.output_tokens), (13, 12))
        self.each(["responses", "chat", "anthropic", "gemini", "bedrock"], body)


class Anthropic(Families):
    client = anthropic.Anthropic(base_url=ORIGIN, api_key=KEY, max_retries=0, timeout=10)
    tools = [{"name": n, "input_schema": s} for n, s in SCHEMAS.items()]

    def test_whole_and_streamed(self):
        def body(model):
            terms = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
            answer = self.client.messages.create(**terms)
            self.assertEqual(answer.content[0].text, HELLO)
            usage = answer.usage
            self.assertEqual((usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens), (9, 4, 12))
            with self.client.messages.stream(**terms) as stream:
                self.assertEqual("".join(stream.text_stream), HELLO)
        self.each(CHAT_FAMILIES, body)

    def test_tools(self):
        def body(model):
            messages = [{"role": "user", "content": "both"}]
            terms = {"model": model, "max_tokens": 100, "tools": self.tools}
            with self.client.messages.stream(messages=messages, **terms) as stream:
                answer = stream.get_final_message()
            calls = [block for block in answer.content if block.type == "tool_use"]
            self.assertEqual([(c.name, c.input) for c in calls], CALLS)
            messages += [
                {"role": "assistant", "content": [block.to_dict() for block in answer.content]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": c.id, "content": r}
                                             for c, r in zip(calls, RESULTS)]}]
            self.assertEqual(self.client.messages.create(messages=messages, **terms).content[0].text, TOLD)
        self.each(CHAT_FAMILIES, body)

    def test_image_errors_and_counts(self):
        def body(model):
            picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
            messages = [{"role": "user", "content": [picture, {"type": "text", "text": "look"}]}]
            answer = self.client.messages.create(model=model, max_tokens=100, messages=messages)
            self.assertEqual(answer.content[0].text, "image/png:intact")
            self.assertGreater(self.client.messages.count_tokens(model=model, messages=messages).input_tokens, 0)
            for status, kind in [(400, anthropic.BadRequestError), (403, anthropic.PermissionDeniedError),
                                 (429, anthropic.RateLimitError), (500, anthropic.InternalServerError)]:
                with self.assertRaises(kind) as caught:
                    self.client.messages.create(
                        model=model, max_tokens=9, messages=[{"role": "user", "content": f"error {status}"}])
                self.assertIn(f"scripted {status}", str(caught.exception))
        self.each(CHAT_FAMILIES, body)


class Google(Families):
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=ORIGIN, timeout=10_000))

    def test_whole_and_streamed(self):
        def body(model):
            answer = self.client.models.generate_content(model=model, contents="hi")
            self.assertEqual(answer.text, HELLO)
            usage = answer.usage_metadata
            self.assertEqual((usage.prompt_token_count, usage.candidates_token_count), (13, 12))
            stream = self.client.models.generate_content_stream(model=model, contents="hi")
            self.assertEqual("".join(part.text or "" for part in stream), HELLO)
        self.each(CHAT_FAMILIES, body)

    def test_tools(self):
        declared = [types.FunctionDeclaration(name=n, parameters_json_schema=s) for n, s in SCHEMAS.items()]
        off = types.AutomaticFunctionCallingConfig(disable=True)
        config = types.GenerateContentConfig(
            tools=[types.Tool(function_declarations=declared)], automatic_function_calling=off)

        def body(model):
            contents = [types.Content(role="user", parts=[types.Part(text="both")])]
            answer = self.client.models.generate_content(model=model, contents=contents, config=config)
            calls = answer.function_calls
            self.assertEqual([(c.name, c.args) for c in calls], CALLS)
            results = [types.Part(function_response=types.FunctionResponse(id=c.id, name=c.name, response={"output": r}))
                       for c, r in zip(calls, RESULTS)]
            contents += [answer.candidates[0].content, types.Content(role="user", parts=results)]
            self.assertEqual(self.client.models.generate_content(
                model=model, contents=contents, config=config).text, TOLD)
        self.each(CHAT_FAMILIES, body)

    def test_thoughts_go_back(self):
        thinking = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))

        def body(model):
            contents = [types.Content(role="user", parts=[types.Part(text="think")])]
            answer = self.client.models.generate_content(model=model, contents=contents, config=thinking)
            self.assertEqual(answer.text, HELLO)
            contents += [answer.candidates[0].content, types.Content(role="user", parts=[types.Part(text="hi")])]
            self.assertEqual(self.client.models.generate_content(model=model, contents=contents).text, HELLO)
        self.each(CHAT_FAMILIES, body)

    def test_image_and_errors(self):
        def body(model):
            picture = types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
            self.assertEqual(self.client.models.generate_content(model=model, contents=["look", picture]).text,
                             "image/png:intact")
            for status, kind in [(400, google_errors.ClientError), (429, google_errors.ClientError),
                                 (500, google_errors.ServerError)]:
                with self.assertRaises(kind) as caught:
                    self.client.models.generate_content(model=model, contents=f"error {status}")
                self.assertEqual(caught.exception.code, status)
        self.each(CHAT_FAMILIES, body)


if __name__ == "__main__":
    unittest.main()
