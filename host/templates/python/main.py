"""What is built: the handler of `app.py`, and then what Python would import late, where it is used."""

from vibrato.component import WitWorld

import late

__all__ = ["WitWorld", "late"]
