"""What a unit test can say of a request, and see of a response."""

import unittest
from types import ModuleType
from typing import Any

import handler as app
from vibrato import Response, config, context, http, kv, push, request, response
from vibrato.testing import Answer, UpstreamCall, call, call_on_message, call_on_request, call_on_response


def module(**functions: Any) -> ModuleType:
    """A module with these functions."""
    made = ModuleType("made")
    vars(made).update(functions)
    return made


class MocksTest(unittest.TestCase):
    def test_parts_of_the_request_and_declared_options(self) -> None:
        answer = call(app, "/own/query?x=1&x=2", params={"what": "query"})
        self.assertEqual((answer.status, answer.text, answer.outcome), (200, "1|2", "body"))
        self.assertEqual(call(app, params={"what": "option"}, options={"absent": True}).text, "Hi 1,2 True")
        seen = module(handle=lambda: [request.method, request.peer, request.version, request.field("a")])
        answer = call(seen, method="PUT", peer="192.0.2.1", version="1.0", fields={"A": ["1", b"2"]})
        self.assertEqual(answer.json(), ["PUT", "192.0.2.1", "1.0", "1, 2"])

    def test_a_body_in_pieces(self) -> None:
        body = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--"
        pieces: list[list[str]] = [[body], list(body), [body[:3], "", body[3:]]]
        for piece in pieces:
            fields = {"content-type": "multipart/form-data; boundary=x"}
            self.assertEqual(call(app, params={"what": "form"}, fields=fields, body=piece).json(), [["a", "1"]])

    def test_chunks_fields_and_failures(self) -> None:
        chunks = call(app, params={"what": "chunks"})
        self.assertEqual((chunks.text, len(chunks.chunks)), ("ab", 2))
        made = call(app, params={"what": "status"})
        self.assertEqual((made.status, made.json(), made.field("X-A")), (201, {"made": True}, "1"))
        self.assertEqual(call(app, params={"what": "close"}).outcome, "close")
        failed = call(app, params={"what": "fails"})
        self.assertEqual(failed.status, 500)
        self.assertIsInstance(failed.error, AttributeError)
        self.assertEqual(call(app, params={"what": "bad"}).status, 404)
        self.assertIn("Denied", call(app, params={"what": "denied"}).failure or "")

        def late(response: Response) -> None:
            response.write("a")
            response.status = 404

        self.assertIn("head-already-sent", call(module(handle=late)).failure or "")

    def test_stores_settings_and_the_context(self) -> None:
        def handle() -> list[Any]:
            kv.set("new", config.get("name") or "")
            kv.delete("old")
            context.set("user", "Grace")
            swapped = kv.compare_and_swap("a", "1", "2")
            return [kv.increment("count", 2), swapped, list(kv.list()), (kv.open("other").get("b") or b"").decode()]

        granted = {"count": "5", "a": "1", "old": ""}
        answer = call(module(handle=handle), kv=granted, stores={"other": {"b": "c"}}, config={"name": "Ada"})
        self.assertEqual(answer.json(), [7, True, ["a", "count", "new"], "c"])
        self.assertEqual((answer.stored("new"), answer.stored("old")), (b"Ada", None))
        self.assertEqual(answer.context["user"], b"Grace")

    def test_other_servers_which_the_test_answers(self) -> None:
        def answers(call: UpstreamCall) -> Answer | None:
            return Answer(json={"got": call.url}) if "api" in call.url else None

        handler = module(handle=lambda: http.post("https://api.example/v1", json={"a": 1}).json())
        answer = call(handler, http=answers)
        self.assertEqual(answer.json(), {"got": "https://api.example/v1"})
        self.assertEqual((answer.calls[0].method, answer.calls[0].body), ("POST", b'{"a": 1}'))
        self.assertIn("Denied", call(handler).failure or "")

    def test_topics_middleware_and_messages(self) -> None:
        def parked() -> bool:
            push.subscribe("room")
            return push.publish("room", "hi") == 3

        answer = call(module(handle=parked), subscribers=3)
        self.assertEqual((answer.outcome, answer.subscribed, answer.published), ("manual", ["room"], [("room", b"hi")]))

        def on_request() -> str | None:
            return None if request.field("authorization") else "who are you?"

        def on_response() -> None:
            response.set_field("x-seen", str(response.status))

        middleware = module(on_request=on_request, on_response=on_response, on_message=lambda message: message.upper())
        self.assertEqual(call_on_request(middleware).text, "who are you?")
        self.assertEqual(call_on_request(middleware, fields={"authorization": "x"}).outcome, "next")
        self.assertEqual(call_on_response(middleware, status=404).field("x-seen"), "404")
        self.assertEqual(call_on_message(middleware, "hi").returned, "HI")

    def test_there_is_no_request_outside_of_a_call(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "call the handler with `call`"):
            request.method
