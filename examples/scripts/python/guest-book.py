"""A guest book: a form, a cookie that remembers the visitor's name, entries in a key-value store, and a call to a webhook if
the operator has set one."""

from html import escape
from itertools import islice

from vibrato import HostError, config, handler, http, kv, redirect

# How many entries the page shows.
SHOWN = 50


@handler(method=["GET", "POST"], max_body=16_384)
def guest_book(request, response):
    if request.method == "POST":
        return sign(request, response)
    return page(request.cookies.get("name", ""))


def sign(request, response):
    """Adds an entry, and leads back to the page."""
    form = request.form()
    name, text = form.get("name", "").strip(), form.get("text", "").strip()
    if not name or not text:
        return "<p>Both a name and a text, please.", 400
    # The numbers have as many digits, so the keys are in the order of the entries, the last one first.
    number = kv.increment("entries")
    kv.set(f"entry-{2**63 - number:019}", f"{name}\n{text}")
    tell(name, text)
    response.set_cookie("name", name, max_age=31_536_000)
    return redirect(request.path)


def tell(name, text):
    """Tells the webhook of an entry. It is in the book already, so a failure is only logged."""
    webhook = config.get("webhook")
    if webhook is None:
        return
    try:
        answer = http.post(webhook, body=f"{name}: {text}\n", fields={"content-type": "text/plain; charset=utf-8"})
        if answer.status >= 400:
            print("the webhook answers", answer.status)
    except HostError as error:
        print("the webhook cannot be told:", error)


def page(name):
    """The page for a visitor, whose name may be known."""
    title = escape(config.get("title", "Guest book"))
    yield f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>"
    yield f'<form method=post><input name=name placeholder=Name value="{escape(name)}"> '
    yield "<input name=text placeholder=Text size=60> <button>Sign</button></form>"
    for key in islice(kv.list("entry-"), SHOWN):
        name, _, text = (kv.get(key) or b"").decode().partition("\n")
        yield f"<p><b>{escape(name)}</b>: {escape(text)}"
    yield "\n"
