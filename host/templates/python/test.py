"""`./build test` runs it: without a host."""

import unittest

import app
from vibrato.testing import call


class GreetTest(unittest.TestCase):
    def test_it_greets_by_name(self) -> None:
        response = call(app, "/NAME/Ada", params={"name": "Ada"})
        self.assertEqual((response.status, response.text), (200, "Hello, Ada!\n"), response.error)
